"""A photo as the part of a panorama that it shows; the rest is black, as whatever a panorama does not show."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from ucvgl.images.decode import resize
from ucvgl.settings.dataset import Lens

FINEST = 2048
"""Most columns of the panorama: a fifth of a degree each."""
NEAREST = 1e-6


def panorama_of(
    photo: UInt8[np.ndarray, "h w 3"],
    lens: Lens,
    *,
    fov_deg: float,
    heading_deg: float,
    tilt_deg: tuple[float, float] = (0.0, 0.0),
) -> UInt8[np.ndarray, "r c 3"]:
    """The panorama around a camera that took this photo, upright, and with north in its middle.

    Args:
        fov_deg: angle across the photo's longer side.
        heading_deg: where its middle looks, clockwise from north; met to a column.
        tilt_deg: how the camera was held: pitched upwards, and before that rolled clockwise as it sees.

    Raises:
        ValueError: the field of view is not that of a plane image.
    """
    if not 1 <= fov_deg <= lens.WIDEST:
        raise ValueError(f"a field of view of {fov_deg:g} degrees is none of a photo: 1 to {lens.WIDEST:g} are")
    height, width = photo.shape[:2]
    per_degree = max(height, width) / 2 / math.tan(math.radians(fov_deg) / 2) * math.radians(1)
    columns = min(FINEST, max(2, round(360 * per_degree)))
    shrunk = columns / (360 * per_degree)
    if shrunk < 1:
        photo = resize(photo, max(1, round(height * shrunk)), max(1, round(width * shrunk)))
    elevations = lens.top_elevation_deg, lens.bottom_elevation_deg
    column, row, shown = _maps(*photo.shape[:2], fov_deg, columns, *elevations, *tilt_deg)
    seen = cv2.remap(photo, column, row, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = np.maximum(seen, 1)  # black itself is for what is not shown
    seen[~shown] = 0
    return np.roll(seen, round(heading_deg / 360 * columns), axis=1)


@lru_cache(maxsize=8)
def _maps(
    height: int,
    width: int,
    fov_deg: float,
    columns: int,
    top_deg: float,
    bottom_deg: float,
    pitch_deg: float,
    roll_deg: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column and row on the photo of every pixel of the panorama, and which of them it shows."""
    rows = max(1, round(columns * (top_deg - bottom_deg) / 360))
    azimuth = (((np.arange(columns) + 0.5) / columns - 0.5) * 2 * math.pi).astype(np.float32)
    down = (np.arange(rows) + 0.5) / rows * (top_deg - bottom_deg)
    elevation = np.radians(top_deg - down).astype(np.float32)[:, None]
    focal = max(height, width) / 2 / math.tan(math.radians(fov_deg) / 2)
    sin, cos = math.sin(math.radians(pitch_deg)), math.cos(math.radians(pitch_deg))
    # what a level camera has to its right, before it and above it, as one has it that was raised, then as rolled
    right, before, above = np.sin(azimuth), np.cos(azimuth), np.tan(elevation)
    ahead, above = cos * before + sin * above, cos * above - sin * before
    right = np.broadcast_to(right, ahead.shape)
    sin, cos = math.sin(math.radians(roll_deg)), math.cos(math.radians(roll_deg))
    right, above = cos * right - sin * above, cos * above + sin * right
    before_it = ahead > NEAREST
    ahead = np.where(before_it, ahead, 1)
    column, row = width / 2 + right / ahead * focal, height / 2 - above / ahead * focal
    shown = before_it & (column > 0) & (column < width) & (row > 0) & (row < height)
    column, row = (np.clip(some - 0.5, -1, 2**14, dtype=np.float32) for some in (column, row))
    return column, row, shown
