"""The mirror image of a tile shows no place there is, and else what the tile shows: a decoy for the judge."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

AXES = ("north", "north-west", "north-east")
"""About which a tile is mirrored: where they point to."""


def mirror_image(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The mirror image about the axis that runs north or one of the diagonals: by its content, as good as chance.

    One axis for all tiles would leave what lies along it where it is: roads on it, shadows along it, and half of the
    place beside it. Turned upside down the sun shines from where it never does. What is not square is mirrored about
    the axis that runs north.
    """
    height, width = image.shape[:2]
    return mirrored_about(AXES[int(image.sum(dtype=np.int64)) % len(AXES) if height == width else 0], image)


def mirrored_about(axis: str, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The mirror image about one of `AXES`."""
    if axis == "north":
        return image[:, ::-1]
    return np.swapaxes(image if axis == "north-west" else image[::-1, ::-1], 0, 1)


def mirror_images(images: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Those of several."""
    return np.stack([mirror_image(image) for image in images]) if len(images) else images
