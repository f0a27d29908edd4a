"""Panoramas and tiles as azimuth by logarithm of the distance, where a heading and a scale are mere shifts.

The map is conformal, so the angle of an edge against the line of sight is the same in both views. Columns run clockwise
from the panorama's left edge (for a tile: from south over west), rows from far to near, both by the same angle.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.poses.structure import pooled, structure

AZIMUTHS = 128
"""Columns of pixels."""
CELL = 4
"""Pixels of a cell's side."""
STEP = 2 * math.pi / AZIMUTHS
"""Of the logarithm of the distance from row to row."""
TURNS = AZIMUTHS // CELL
CELL_STEP = CELL * STEP


def of_panorama(
    panorama: UInt8[np.ndarray, "h w 3"],
    *,
    top_deg: float,
    bottom_deg: float,
    farthest: float,
    cells: int,
    turn_deg: float = 0.0,
) -> tuple[Float[np.ndarray, "r a 9"], Float[np.ndarray, " r"]]:
    """Structure of the flat ground around a camera, and the share of each row of cells that the panorama shows.

    Args:
        top_deg: elevation of the panorama's upper edge.
        farthest: distance of the first row's upper edge, in camera heights.
        turn_deg: heading of the panorama's middle; the columns come out by headings.
    """
    height, width = panorama.shape[:2]
    elevation = -np.degrees(np.arctan(1 / distances(farthest, cells * CELL)))
    row = (top_deg - elevation) * height / (top_deg - bottom_deg) - 0.5
    column = ((np.arange(AZIMUTHS) + 0.5) / AZIMUTHS - turn_deg / 360) * width - 0.5
    shown = ((row > -1) & (row < height)).astype(np.float32)
    x, y = np.meshgrid(column, np.clip(row, 0, height - 1))
    return _cells(panorama, x, y, cells, cv2.BORDER_WRAP), shown.reshape(cells, CELL).mean(1)


def of_tile(tile: UInt8[np.ndarray, "s s 3"], *, cells: int) -> Float[np.ndarray, "r a 9"]:
    """Structure of a tile around its middle, from half its side inwards."""
    side = tile.shape[0]
    azimuth = ((np.arange(AZIMUTHS) + 0.5) / AZIMUTHS - 0.5) * 2 * math.pi
    radius = distances(1.0, cells * CELL)[:, None] * side / 2
    x, y = side / 2 + radius * np.sin(azimuth) - 0.5, side / 2 - radius * np.cos(azimuth) - 0.5
    return _cells(tile, x, y, cells, cv2.BORDER_REPLICATE)


def distances(farthest: float, rows: int) -> Float[np.ndarray, " r"]:
    """Distance of the middle of each row of pixels."""
    return farthest * np.exp(-(np.arange(rows) + 0.5) * STEP)


def _cells(image: np.ndarray, x: np.ndarray, y: np.ndarray, cells: int, border: int) -> np.ndarray:
    seen = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=border)
    around = cv2.copyMakeBorder(seen, 0, 0, CELL, CELL, cv2.BORDER_WRAP)
    return pooled(structure(around)[:, :, CELL:-CELL].transpose(1, 2, 0), cells, TURNS)
