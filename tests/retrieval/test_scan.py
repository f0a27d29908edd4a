import torch

from ucvgl.retrieval.rounded import as_float32
from ucvgl.retrieval.scan import Tile


def test_what_kernels_read_of_a_ragged_tile_is_whole_in_memory():
    """Kernels compiled for cuts out of larger arrays use no vector instructions: twenty times slower."""
    tile = Tile(256, 256, torch.float32)
    for height, width in ((256, 256), (256, 70), (33, 256), (33, 70)):
        own, other = (as_float32(torch.ones(size, 8)) for size in (height, width))
        for maxima, size in zip(tile.multiply(own, other), (height, width), strict=True):
            assert maxima.shape[1] == size and maxima.flags.c_contiguous
