"""Flat ground of random patches, as a tile shows it and as a panorama does: geometry and nothing else."""

from __future__ import annotations

import cv2
import numpy as np


def patches(seed: int, side: int = 96) -> np.ndarray:
    """A tile."""
    rng = np.random.default_rng(seed)
    tile = np.full((side, side, 3), 128, np.uint8)
    for _ in range(14):
        box = rng.uniform(0, side, 2), rng.uniform(8, side / 2, 2), rng.uniform(0, 180)
        corners = cv2.boxPoints((tuple(box[0]), tuple(box[1]), box[2])).astype(np.int32)
        cv2.fillPoly(tile, [corners], rng.integers(0, 256, 3).tolist())
    return tile


def panorama_over(
    tile: np.ndarray, height: int, width: int, *, top: float, bottom: float, half_side: float, heading: float
) -> np.ndarray:
    """What a camera over a tile's middle sees, with this heading in its middle; grey where the tile ends."""
    row, column = np.mgrid[:height, :width] + 0.5
    down = np.radians(row / height * (top - bottom) - top)
    azimuth = np.radians(heading + (column / width - 0.5) * 360)
    distance = np.where(down > 0.01, 1 / np.tan(np.maximum(down, 0.01)), 1e6)
    scale = tile.shape[0] / 2 / half_side
    x = tile.shape[1] / 2 + scale * distance * np.sin(azimuth) - 0.5
    y = tile.shape[0] / 2 - scale * distance * np.cos(azimuth) - 0.5
    seen = np.clip(x, -9, 9999).astype(np.float32), np.clip(y, -9, 9999).astype(np.float32)
    return cv2.remap(tile, *seen, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(128, 128, 128))


def seen_from(tile: np.ndarray, east: float, north: float, heading: float) -> np.ndarray:
    """What of a tile's ground a camera sees around it, pixels off the middle, its panorama turned."""
    side = tile.shape[0]
    angle = np.radians(heading)
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    right, down = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    at = (right + side / 2 + east - 0.5).astype(np.float32), (down + side / 2 - north - 0.5).astype(np.float32)
    return cv2.remap(tile, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(128, 128, 128))
