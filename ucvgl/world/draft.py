"""A world while it is being drawn: the ground raster, what is taken, and the things that stand on it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, Num

from ucvgl.world.palette import Material

CELL = 0.125
"""Side of a ground cell, metres."""
FREE, ROAD, BUILT = 0, 1, 2


class Draft:
    """The sheet that a world is drawn on, in metres; row 0 of its rasters is the south edge."""

    def __init__(self, side_m: float, rng: np.random.Generator) -> None:
        self.side_m = side_m
        self.rng = rng
        cells = round(side_m / CELL)
        self.ground = np.full((cells, cells), Material.GRASS, np.uint8)
        self.taken = np.zeros((math.ceil(side_m), math.ceil(side_m)), np.uint8)
        self.solids: list[tuple] = []
        self.car_places: list[tuple[float, float, float]] = []

    def pick(self, *materials: Material) -> Material:
        """One of some materials, each as likely."""
        return materials[int(self.rng.integers(len(materials)))]

    def fill(self, polygon: Num[np.ndarray, "n 2"], material: Material) -> None:
        """Paint a polygon on the ground; corners in metres."""
        cv2.fillPoly(self.ground, [_fixed(polygon)], int(material), shift=4)

    def stroke(self, points: Num[np.ndarray, "n 2"], width: float, material: Material) -> None:
        """Paint a line on the ground; points and width in metres."""
        thickness = max(1, round(width / CELL))
        cv2.polylines(self.ground, [_fixed(points)], False, int(material), thickness, shift=4)

    def disc(self, x: float, y: float, radius: float, material: Material) -> None:
        """Paint a disc on the ground; metres."""
        centre = _fixed(np.array([[x, y]]))[0].tolist()
        cv2.circle(self.ground, centre, round(radius / CELL * 16), int(material), -1, shift=4)

    def take(self, polygon: Num[np.ndarray, "n 2"], use: int) -> None:
        """Nothing else may be put here."""
        cv2.fillPoly(self.taken, [np.round(polygon - 0.5).astype(np.int32)], use)

    def take_line(self, points: Num[np.ndarray, "n 2"], width: float, use: int) -> None:
        """Mark the ground along a line as taken; points and width in metres."""
        cv2.polylines(self.taken, [np.round(points - 0.5).astype(np.int32)], False, use, max(1, round(width)))

    def is_free(self, x: float, y: float, length: float, width: float, angle: float) -> bool:
        """Whether a rectangle is untouched so far."""
        u = np.linspace(-length / 2, length / 2, max(2, int(length / 1.5) + 1))[:, None]
        v = np.linspace(-width / 2, width / 2, max(2, int(width / 1.5) + 1))[None]
        east = (x + u * math.cos(angle) - v * math.sin(angle)).astype(int)
        north = (y + u * math.sin(angle) + v * math.cos(angle)).astype(int)
        end = len(self.taken)
        if east.min() < 0 or north.min() < 0 or east.max() >= end or north.max() >= end:
            return False
        return not self.taken[north, east].any()

    def at(self, x: float, y: float) -> int:
        """Material at a point; the edge's beyond the edge."""
        end = len(self.ground) - 1
        return int(self.ground[min(max(int(y / CELL), 0), end), min(max(int(x / CELL), 0), end)])


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> Float[np.ndarray, "4 2"]:
    """Corners of a rectangle about a centre, sides in metres."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length / 2, width / 2)
    cos, sin = math.cos(angle), math.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def blob(
    rng: np.random.Generator, x: float, y: float, radius: float, roughness: float = 0.25
) -> Float[np.ndarray, "n 2"]:
    """A smooth closed curve about a point."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    bend = sum(rng.normal(0, roughness / k) * np.cos(k * angle + rng.uniform(0, 6.28)) for k in (2, 3, 4, 5))
    return np.stack([x + radius * (1 + bend) * np.cos(angle), y + radius * (1 + bend) * np.sin(angle)], 1)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Metres to the 1/16 cells in which OpenCV draws."""
    return np.round((np.asarray(points) / CELL - 0.5) * 16).astype(np.int32)
