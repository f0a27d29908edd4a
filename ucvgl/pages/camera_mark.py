"""A camera on its tile as SVG, to be laid over the tile's image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ucvgl.poses.verifying import SIDE, Fit

if TYPE_CHECKING:
    from ucvgl.index.camera_place import Camera

CONE_DEG = 12.0
"""Half the angle that is drawn at least, so that a sure heading is still seen."""

LONG = 26
"""Of the cone, in hundredths of the tile."""


def camera_mark(camera: Camera) -> str:
    """An `<svg>` as large as the tile: a circle that holds the camera with 68 %, and where its panorama's middle looks.

    Its colour is the page's variable `--wrong`, which stands out on tiles.
    """
    scale = 100 / camera.tile_side
    heading = camera.heading_deg, max(camera.heading_radius_deg, CONE_DEG)
    at = camera.east * scale, -camera.north * scale
    return _mark(*at, max(camera.radius * scale, 1.0), *heading, "the camera on tile 1")


def fit_mark(fit: Fit) -> str:
    """The same of a bird's-eye view where it lies best on a tile; the circle is a pixel of what was compared."""
    return _mark(100 * fit.east, -100 * fit.north, 100 / SIDE, fit.turn_deg, CONE_DEG, "where the ground fits best")


def _mark(x: float, y: float, radius: float, heading: float, wide: float, label: str) -> str:
    sides = [math.radians(heading + off) for off in (-wide, wide)]
    left, right = (f"{x + LONG * math.sin(side):.2f} {y - LONG * math.cos(side):.2f}" for side in sides)
    cone = f"M{x:.2f} {y:.2f}L{left}A{LONG} {LONG} 0 0 1 {right}Z"
    return (
        f'<svg viewBox="-50 -50 100 100" role="img" aria-label="{label}">'
        f'<path d="{cone}" fill="var(--wrong)" opacity=".45"/>'
        f'<circle class="within" cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="none" stroke="#fff"/>'
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.4" fill="var(--wrong)" stroke="#fff"/></svg>'
    )
