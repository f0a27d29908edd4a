import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.networks.attention import attention
from ucvgl.networks.ground_map import CELLS, WIDTH, GroundMap, PanoramaMap, towards
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers
from ucvgl.settings.experiment import Model

SMALL = Model(channels=16, aggregation="map")


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_map_is_the_mean_of_what_lies_in_each_cell_with_unit_length(height, width, seed):
    torch.manual_seed(seed)
    ground = GroundMap(5, (height, width), width=3)
    features = torch.randn(2, 5, height, width)
    found = ground(features, torch.ones(2, 1, height * 2, width * 2, dtype=torch.bool)).unflatten(1, (-1, 3))
    step = -(-max(height, width) // CELLS)
    wide = -(-width // step)
    assert found.shape[1] == -(-height // step) * wide <= CELLS**2
    for cell in range(found.shape[1]):
        top, left = cell // wide * step, cell % wide * step
        inside = features[:, :, top : top + step, left : left + step].mean((2, 3))
        expected = F.linear(inside, ground.project.weight[:, :, 0, 0], ground.project.bias)
        torch.testing.assert_close(found[:, cell], F.normalize(expected, dim=1), atol=1e-4, rtol=1e-4)


def test_what_an_image_does_not_show_takes_no_part():
    ground = GroundMap(5, (4, 4), width=3)
    photo, tile = torch.randn(1, 5, 4, 4), torch.randn(1, 5, 4, 4)
    shown = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    shown[:, :, :, 8:] = True
    other = tile.clone()
    other[:, :, :, :2] = torch.randn(1, 5, 4, 2)
    seen, whole = ground(photo, shown), torch.ones(1, 1, 16, 16, dtype=torch.bool)
    assert (seen.unflatten(1, (4, 4, 3))[:, :, :2] == 0).all()
    assert (seen != 0).any()
    torch.testing.assert_close((seen * ground(tile, whole)).sum(), (seen * ground(other, whole)).sum())


def test_a_cell_of_a_panorama_is_a_weighted_mean_of_its_positions():
    panorama = PanoramaMap(5, (2, 3), GroundMap(7, (2, 2), width=2))
    torch.nn.init.normal_(panorama.logits)
    features = torch.randn(2, 5, 2, 3)
    found = panorama(features, torch.ones(2, 1, 8, 8, dtype=torch.bool)).unflatten(1, (4, 2))
    projected = panorama.project(features).flatten(2)
    for cell in range(4):
        share = panorama.logits[cell].exp() / panorama.logits[cell].exp().sum()
        expected = sum(share[position] * projected[:, :, position] for position in range(6))
        torch.testing.assert_close(found[:, cell], F.normalize(expected, dim=1))


def test_a_cell_begins_with_what_looks_towards_it():
    weights = towards((4, 4), 6, 24).softmax(1).unflatten(1, (6, 24))
    for cell, column in ((5, 8), (0, 8), (15, 20), (6, 15), (12, 3)):  # two of the north-west, south-east, and so on
        best = weights[cell].sum(0).argsort(descending=True)[:2]
        assert {int(one) for one in best} <= {column, column + 1, column - 1}
    assert weights[:, :2].sum() < 0.05 * weights.sum(), "above the horizon"


def test_both_towers_make_maps_of_the_same_cells(tmp_path):
    towers = TwoTowers(SMALL, (16, 64), (32, 32))
    save_towers(towers, tmp_path / "model.pt")
    random = np.random.default_rng(0)
    for view, size in (("query", (16, 64)), ("reference", (32, 32))):
        images = random.integers(1, 256, (3, *size, 3), dtype=np.uint8)
        found = embed(towers, images, view)
        assert found.shape == (3, 16 * WIDTH) == (3, towers.dimension)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(embed(load_towers(tmp_path / "model.pt"), images, view), found)
    heat = attention(towers, random.integers(0, 256, (2, 16, 64, 3), dtype=np.uint8), "query")
    assert heat is not None
    assert heat.shape == (2, 2, 8)


def test_when_panoramas_join_their_cells_begin_with_what_tiles_taught():
    towers = TwoTowers(SMALL, (16, 64), (32, 32))
    tile, panorama = towers.reference_encoder.aggregate.project, towers.query_encoder.aggregate.project
    assert not torch.equal(tile.weight, panorama.weight)
    towers.panoramas_join()
    assert torch.equal(tile.weight, panorama.weight)
    assert torch.equal(tile.bias, panorama.bias)


def test_one_encoder_of_both_views_needs_one_size():
    with pytest.raises(ValueError, match="one image size for both views"):
        TwoTowers(Model(channels=16, aggregation="map", shared=True), (16, 64), (32, 32))
    shared = TwoTowers(Model(channels=16, aggregation="map", shared=True), (32, 32), (32, 32))
    assert shared.query_encoder is shared.reference_encoder
