"""The mirror image of a tile shows no place there is, and else what the tile shows: a decoy for the judge."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8


def mirror_image(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The mirror image about the axis that runs north or one of the diagonals: by its content, as good as chance.

    One axis for all tiles would leave what lies along it where it is: roads on it, shadows along it, and half of the
    place beside it. Turned upside down the sun shines from where it never does. What is not square is mirrored about
    the axis that runs north.
    """
    height, width = image.shape[:2]
    axis = int(image.sum(dtype=np.int64)) % 3 if height == width else 0
    if axis == 0:
        return image[:, ::-1]
    return np.swapaxes(image if axis == 1 else image[::-1, ::-1], 0, 1)


def mirror_images(images: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Those of several."""
    return np.stack([mirror_image(image) for image in images]) if len(images) else images
