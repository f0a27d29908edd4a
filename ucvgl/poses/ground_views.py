"""What poses are told by: the ground around a camera, and a tile, of one size. Whoever reads images makes them."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ucvgl.images.decode import resize
from ucvgl.projection.birdseye import from_above
from ucvgl.settings.experiment import Projection

SIDE = 64
"""Pixels of a bird's-eye view and of a tile."""


def ground_of(photo: UInt8[np.ndarray, "h w 3"], projection: Projection) -> UInt8[np.ndarray, "s s 3"]:
    """What a camera is placed by, of its panorama: the bird's-eye view."""
    return from_above(projection, photo, SIDE)


def ground_of_tile(tile: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
    """What a camera is placed on, of a tile."""
    return resize(tile, SIDE, SIDE)
