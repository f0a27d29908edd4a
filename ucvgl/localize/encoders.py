"""The two encoders with their preprocessing: images in, descriptors out, exactly as the pipeline embeds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.config import Projection
from ucvgl.data.decode import resize
from ucvgl.localize.seen import Image, seen
from ucvgl.model.towers import View, embed, load_towers
from ucvgl.projection.birdseye import birds_eye

AT_ONCE = 128
"""Images decoded before they are embedded: bounds the memory, whatever their number."""


class Encoders:
    """Both encoders of a trained model and how images reach them.

    Args:
        model: content of the `model.pt` that a run wrote.
        projection: how the run looked at the ground; only the bird's-eye views of pictures need it.
        origin: what to call the model in errors.
        device: `cpu`, `cuda`; empty: the GPU when there is one.

    Raises:
        ValueError: the model cannot be read.
    """

    def __init__(self, model: bytes, projection: Projection, *, origin: str = "the model", device: str = "") -> None:
        import torch

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.towers = load_towers(BytesIO(model), device)
        except Exception as error:  # the unpickler raises anything on bytes it does not expect
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{origin} does not hold the encoders of a run ({reason})") from error
        self.projection = projection

    @property
    def dimension(self) -> int:
        """Numbers in a descriptor."""
        return self.towers.reference_encoder.dimension

    def size(self, view: View) -> tuple[int, int]:
        """Height and width at which an encoder sees images, pixels."""
        return self.towers.query_size if view == "query" else self.towers.reference_size

    def embed_queries(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of panoramas (ground images).

        Raises:
            BadImage: one of them is not a whole image.
            OSError: one of them cannot be read.
        """
        return self._embed(images, "query")

    def embed_references(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of tiles; their inner products with those of queries are the similarities."""
        return self._embed(images, "reference")

    def birdseye(self, panorama: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
        """The bird's-eye view of a panorama, as the run projected it."""
        if not self.projection.bev:
            return resize(panorama, side, side)
        return birds_eye(self.projection, side, *panorama.shape[:2])(panorama)

    def _embed(self, images: Sequence[Image], view: View) -> Float[np.ndarray, "n d"]:
        found = [embed(self.towers, part, view) for part in self._seen(images, view)]
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)

    def _seen(self, images: Sequence[Image], view: View) -> Iterator[UInt8[np.ndarray, "n h w 3"]]:
        for start in range(0, len(images), AT_ONCE):
            yield np.stack([seen(image, self.size(view)) for image in images[start : start + AT_ONCE]])
