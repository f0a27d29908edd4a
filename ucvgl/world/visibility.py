"""Which thing each ray meets first: rays against exact solids, with a depth buffer."""

from __future__ import annotations

import math

import numpy as np

from ucvgl.compiled import kernel
from ucvgl.world.noise import hashed
from ucvgl.world.solids import CURVED, ELLIPSOID, FAR, NO_FACE, crossing, hit, normal

GROUND, SKY = -1, -2
"""What a ray that meets no solid ends in."""
CEILING_M = 60.0
"""Rays from above start here, higher than anything."""


@kernel
def meets(s, ox, oy, oz, dx, dy, dz):
    """`hit`, but light comes through the rim of a crown."""
    t, face = hit(s, ox, oy, oz, dx, dy, dz)
    if face == CURVED and s.shape == ELLIPSOID:
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        nx, ny, nz = normal(s, face, x, y, z)
        facing = abs(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz)
        grain = 0.16 + 0.004 * t
        leaf = hashed(int(x / grain) + 7 * int(z / grain), int(y / grain) - 13 * int(z / grain), s.seed)
        if facing < 0.55 * leaf:
            return FAR, NO_FACE
    return t, face


@kernel
def look_around(solids, ox, oy, oz, yaw, top, sphere_rows, height, width):
    """Depth, solid and face of every ray of an equirectangular panorama.

    `solids` must be sorted from near to far. `yaw` turns the centre column clockwise from north, radians. The first
    row's edge is at elevation `top`, in half turns; `sphere_rows` rows would show the sphere from zenith to nadir.
    """
    depth = np.empty((height, width), np.float32)
    which = np.empty((height, width), np.int32)
    face = np.zeros((height, width), np.uint8)
    row_cos, row_sin = np.empty(height), np.empty(height)
    for r in range(height):
        elevation = (top - (r + 0.5) / sphere_rows) * math.pi
        row_cos[r], row_sin[r] = math.cos(elevation), math.sin(elevation)
        depth[r] = -oz / row_sin[r] if row_sin[r] < 0 else FAR
        which[r] = GROUND if row_sin[r] < 0 else SKY
    for k in range(len(solids)):
        s = solids[k]
        east, north = s.x - ox, s.y - oy
        away = math.hypot(east, north)
        above, below = s.top + s.ridge - oz, s.bottom - oz
        centre = (math.atan2(east, north) - yaw) / (2 * math.pi) + 0.5
        spread = math.asin(min(s.reach / max(away, 1e-6), 1.0)) / (2 * math.pi) if away > s.reach else 0.5
        left, right = math.floor((centre - spread) * width), math.ceil((centre + spread) * width)
        for c in range(left, min(right, left + width - 1) + 1):
            azimuth = ((c + 0.5) / width - 0.5) * 2 * math.pi + yaw
            sin, cos = math.sin(azimuth), math.cos(azimuth)
            column = c % width
            enter, leave = crossing(s, ox, oy, sin, cos)
            if enter >= leave:
                continue
            highest = math.atan2(above, enter if above > 0 else leave)
            lowest = math.atan2(below, enter if below < 0 else leave)
            first = max(int((top - highest / math.pi) * sphere_rows), 0)
            last = min(int((top - lowest / math.pi) * sphere_rows), height - 1)
            for r in range(first, last + 1):
                if depth[r, column] * row_cos[r] > enter:
                    t, side = meets(s, ox, oy, oz, sin * row_cos[r], cos * row_cos[r], row_sin[r])
                    if t < depth[r, column]:
                        depth[r, column], which[r, column], face[r, column] = t, k, side
    return depth, which, face


@kernel
def look_down(solids, west, south, cell, cells, lean_x, lean_y):
    """Depth, solid and face of parallel rays from above, one per ground cell, row 0 at the south edge.

    A point at height z appears `lean * z` metres away from where it stands. With the lean of a shadow, what
    these rays meet is what the sun meets.
    """
    depth = np.full((cells, cells), CEILING_M, np.float32)
    which = np.full((cells, cells), GROUND, np.int32)
    face = np.zeros((cells, cells), np.uint8)
    for k in range(len(solids)):
        s = solids[k]
        top = s.top + s.ridge
        low_x, high_x = min(lean_x * s.bottom, lean_x * top), max(lean_x * s.bottom, lean_x * top)
        low_y, high_y = min(lean_y * s.bottom, lean_y * top), max(lean_y * s.bottom, lean_y * top)
        left = max(int((s.x - s.reach + low_x - west) / cell - 0.5), 0)
        right = min(int((s.x + s.reach + high_x - west) / cell + 0.5), cells - 1)
        lower = max(int((s.y - s.reach + low_y - south) / cell - 0.5), 0)
        upper = min(int((s.y + s.reach + high_y - south) / cell + 0.5), cells - 1)
        for r in range(lower, upper + 1):
            oy = south + (r + 0.5) * cell - lean_y * CEILING_M
            for c in range(left, right + 1):
                ox = west + (c + 0.5) * cell - lean_x * CEILING_M
                if depth[r, c] > CEILING_M - top:
                    t, side = meets(s, ox, oy, CEILING_M, lean_x, lean_y, -1.0)
                    if t < depth[r, c]:
                        depth[r, c], which[r, c], face[r, c] = t, k, side
    return depth, which, face
