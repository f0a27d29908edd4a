"""A pinhole camera in a world: where it is, where it looks, and where a point appears in its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Camera:
    """Position in metres (x east, y north, z up) and direction in radians.

    Args:
        heading: clockwise from north.
        pitch: above the horizon; negative looks down.
        fov: field of view over the picture's width.
    """

    x: float
    y: float
    z: float
    heading: float
    pitch: float
    fov: float

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Unit vectors to the right of the picture, to its top, and forward."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        flat, rise = math.cos(self.pitch), math.sin(self.pitch)
        return np.array([(cos, -sin, 0), (-rise * sin, -rise * cos, flat), (flat * sin, flat * cos, rise)])

    def focal(self, width: int) -> float:
        """Distance of the picture's plane, in pixels."""
        return width / 2 / math.tan(self.fov / 2)

    def pixel_of(self, points: Float[np.ndarray, "n 3"], height: int, width: int) -> Float[np.ndarray, "n 2"]:
        """Column and row where points appear, 0 at the upper left corner; NaN behind the camera.

        column = w/2 + f p.right / p.forward, row = h/2 - f p.up / p.forward, with p from the camera to the point.
        """
        right, up, forward = self.axes @ (points - (self.x, self.y, self.z)).T
        scale = self.focal(width) / np.where(forward > 0, forward, np.nan)
        return np.stack([width / 2 + scale * right, height / 2 - scale * up], axis=1)


def aimed(eye: tuple[float, float, float], target: tuple[float, float, float], fov: float) -> Camera:
    """A camera that has a target in the middle of its picture."""
    east, north, up = np.subtract(target, eye)
    return Camera(*eye, math.atan2(east, north), math.atan2(up, math.hypot(east, north)), fov)
