"""The two encoders with their preprocessing: images in, descriptors out, exactly as the pipeline embeds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.networks.adapted import Adapted, load_encoders
from ucvgl.networks.frozen import Frozen
from ucvgl.networks.searched import dimension, embed_seen
from ucvgl.networks.towers import TwoTowers, View
from ucvgl.projection.birdseye import from_above
from ucvgl.projection.level import Level
from ucvgl.projection.preprocessing import (
    Image,
    Preprocessing,
    pixels,
    preprocessed,
    query_of,
    query_preprocessing,
    whole_image,
)
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Projection

AT_ONCE = 128
"""Images decoded before they are embedded: bounds the memory, whatever their number."""


class Encoders:
    """Both encoders of a trained model and how images reach them.

    Args:
        model: content of the `model.pt` that a run wrote.
        projection: how the run looked at the ground: for pictures, and for models that see panoramas from above.
        origin: what to call the model in errors.
        device: `cpu`, `cuda`; empty: the GPU when there is one.
        lens: how photos become parts of panoramas; None where they are panoramas.
        level: tells how far from level photos were taken; None: all were level.

    Raises:
        ValueError: the model cannot be read.
    """

    def __init__(
        self,
        model: bytes,
        projection: Projection,
        *,
        origin: str = "the model",
        device: str = "",
        lens: Lens | None = None,
        level: Level | None = None,
    ) -> None:
        import torch

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        towers = load_encoders(BytesIO(model), device, origin=origin)
        if isinstance(towers, Frozen):
            raise ValueError(f"{origin} does not hold the encoders of a run (a frozen model without its adapter)")
        self.towers: TwoTowers | Adapted = towers
        self.projection, self.lens, self.level = projection, lens, level

    @property
    def dimension(self) -> int:
        """Numbers in a descriptor."""
        return dimension(self.towers)

    @property
    def from_above(self) -> bool:
        """Whether the query encoder is shown bird's-eye views, as one network that sees both views is."""
        return isinstance(self.towers, Adapted) and self.towers.from_above

    @property
    def both(self) -> bool:
        """Whether a query is described by its panorama and its bird's-eye view together."""
        return isinstance(self.towers, TwoTowers) and self.towers.query == "both"

    def size(self, view: View) -> tuple[int, int]:
        """Height and width of a view's images for the networks of the data set, pixels."""
        return self.towers.query_size if view == "query" else self.towers.reference_size

    def preprocessing(self, view: View) -> Preprocessing:
        """How images reach the encoder of a view."""
        if view == "reference":
            return whole_image(self.size(view))
        size, tile = self.size(view), self.size("reference")[0]
        how = {"above": self.from_above, "both": self.both, "lens": self.lens, "level": self.level}
        return query_preprocessing(size, tile, self.projection, **how)

    def embed_queries(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of panoramas (ground images), or of photos where the model was trained on these.

        Raises:
            BadImage: one of them is not a whole image, or no photo of which somebody says where it looked.
            OSError: one of them cannot be read.
        """
        how = self.preprocessing("query")
        return self._embed(images, "query", lambda image: query_of(image, how).panorama)

    def embed_panoramas(self, panoramas: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Float[np.ndarray, "n d"]:
        """The same of what `ucvgl.projection.preprocessing.query_of` gives."""
        return self._embed(panoramas, "query", pixels)

    def embed_references(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of tiles; their inner products with those of queries are the similarities."""
        return self._embed(images, "reference", lambda image: pixels(image, enough=self.size("reference")))

    def birdseye(self, panorama: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
        """The bird's-eye view of a panorama, as the run projected it."""
        return from_above(self.projection, panorama, side)

    def embed_seen(self, images: UInt8[np.ndarray, "n h w 3"], view: View) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of images that are as the encoder sees them."""
        return embed_seen(self.towers, images, view)

    def _embed(self, images: Sequence[Any], view: View, show: Callable[[Any], np.ndarray]) -> Float[np.ndarray, "n d"]:
        found = [self.embed_seen(part, view) for part in self._seen(images, view, show)]
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)

    def _seen(
        self, images: Sequence[Any], view: View, show: Callable[[Any], np.ndarray]
    ) -> Iterator[UInt8[np.ndarray, "n h w 3"]]:
        how = self.preprocessing(view)
        for start in range(0, len(images), AT_ONCE):
            yield np.stack([preprocessed(show(image), how) for image in images[start : start + AT_ONCE]])
