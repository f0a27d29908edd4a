"""Ground panoramas: true equirectangular views from 2 m above the ground."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8
from numba import njit

from ucvgl.data.synthetic.film import expose
from ucvgl.data.synthetic.shade import colour
from ucvgl.data.synthetic.solids import ELLIPSOID
from ucvgl.data.synthetic.surroundings import draw_light, surroundings
from ucvgl.data.synthetic.visibility import look_around
from ucvgl.data.synthetic.world import CAMERA_HEIGHT_M, World

SUPERSAMPLE = 2


def render_panorama(
    world: World, place: np.ndarray, view_seed: int, *, height: int, width: int
) -> UInt8[np.ndarray, "h w 3"]:
    """What a camera near `place` sees: rows from zenith to nadir, north in the centre column, east right of it."""
    rng = np.random.default_rng([world.seed, view_seed, 3])
    x, y = camera_position(world, place, rng)
    yaw = math.radians(rng.normal(0, 1) * world.level.yaw_jitter_deg)
    light = draw_light(world, rng, azimuth=(80, 290), elevation=(28, 62), visibility_m=420.0)
    scene = surroundings(world, x, y, rng, world.summer, light, reach_m=160, shade_reach_m=40, clear_m=4.5)
    rows, columns = SUPERSAMPLE * height, SUPERSAMPLE * width
    depth, which, face = look_around(scene.solids, x, y, CAMERA_HEIGHT_M, yaw, rows, columns)
    colours = _colours(scene, x, y, CAMERA_HEIGHT_M, yaw, depth, which, face)
    return expose(colours, world.level, rng, (height, width))


def camera_position(world: World, place: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """A point near `place` by the level's jitter, but not inside a thing or right at a trunk."""
    solids = world.solids
    near = np.hypot(solids["x"] - place[0], solids["y"] - place[1]) < solids["reach"] + 12
    low = solids[near & (solids["bottom"] < 2.5) & (solids["shape"] != ELLIPSOID)]
    for _ in range(20):
        x, y = place + rng.normal(0, 1, 2) * world.level.position_jitter_m
        if (np.hypot(low["x"] - x, low["y"] - y) > low["reach"] + 0.9).all():
            return float(x), float(y)
    return float(place[0]), float(place[1])


@njit(cache=True, nogil=True)
def _colours(scene, ox, oy, oz, yaw, depth, which, face):
    height, width = depth.shape
    image = np.empty((height, width, 3), np.float32)
    out = np.empty(3)
    sin, cos = np.empty(width), np.empty(width)
    for c in range(width):
        azimuth = ((c + 0.5) / width - 0.5) * 2 * math.pi + yaw
        sin[c], cos[c] = math.sin(azimuth), math.cos(azimuth)
    step = math.pi / height
    for r in range(height):
        elevation = (0.5 - (r + 0.5) / height) * math.pi
        flat, up = math.cos(elevation), math.sin(elevation)
        for c in range(width):
            t = depth[r, c]
            footprint = min(t * t / oz * step, 40.0)
            colour(scene, ox, oy, oz, sin[c] * flat, cos[c] * flat, up, t, which[r, c], face[r, c], footprint, out)
            for k in range(3):
                image[r, c, k] = out[k]
    return image
