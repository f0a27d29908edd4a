"""A camera on its tile as SVG, to be laid over the tile's image."""

from __future__ import annotations

import math

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
    x, y, radius = camera.east * scale, -camera.north * scale, max(camera.radius * scale, 1.0)
    wide = max(camera.heading_radius_deg, CONE_DEG)
    sides = [math.radians(camera.heading_deg + off) for off in (-wide, wide)]
    left, right = (f"{x + LONG * math.sin(side):.2f} {y - LONG * math.cos(side):.2f}" for side in sides)
    cone = f"M{x:.2f} {y:.2f}L{left}A{LONG} {LONG} 0 0 1 {right}Z"
    return (
        '<svg viewBox="-50 -50 100 100" role="img" aria-label="the camera on tile 1">'
        f'<path d="{cone}" fill="var(--wrong)" opacity=".45"/>'
        f'<circle class="within" cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="none" stroke="#fff"/>'
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.4" fill="var(--wrong)" stroke="#fff"/></svg>'
    )
