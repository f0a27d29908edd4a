"""Ground panoramas: true equirectangular views from 2 m above the ground."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8

from ucvgl.compiled import kernel
from ucvgl.world.exposure import expose
from ucvgl.world.shade import colour, likeness
from ucvgl.world.solids import ELLIPSOID
from ucvgl.world.surroundings import draw_light, surroundings
from ucvgl.world.visibility import look_around
from ucvgl.world.world import CAMERA_HEIGHT_M, World

SUPERSAMPLE = 2


def render_panorama(
    world: World, place: np.ndarray, view_seed: int, *, height: int, width: int
) -> UInt8[np.ndarray, "h w 3"]:
    """What a camera near `place` sees: zenith to nadir, north in the centre column, east right of it."""
    rng = np.random.default_rng([world.seed, view_seed, 3])
    x, y = camera_position(world, place, rng)
    yaw = math.radians(rng.normal(0, 1) * world.level.yaw_jitter_deg)
    light = draw_light(world, rng, azimuth=(80, 290), elevation=(28, 62), visibility_m=420.0)
    scene = surroundings(world, x, y, rng, world.summer, light, reach_m=160, shade_reach_m=40, clear_m=4.5)
    rows, columns = SUPERSAMPLE * height, SUPERSAMPLE * width
    depth, which, face = look_around(scene.solids, x, y, CAMERA_HEIGHT_M, yaw, rows, columns)
    colours = _colours(scene, x, y, CAMERA_HEIGHT_M, yaw, depth, which, face)
    return expose(colours, world.level, rng)


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


@kernel
def _colours(scene, ox, oy, oz, yaw, depth, which, face):
    """Mean colour of each pixel's `SUPERSAMPLE` squared rays; like rays are shaded once."""
    height, width = len(depth) // SUPERSAMPLE, depth.shape[1] // SUPERSAMPLE
    image = np.zeros((height, width, 3), np.float32)
    out = np.empty(3)
    ground, solids, palette, shade, light = scene
    sin, cos = np.empty(len(depth[0])), np.empty(len(depth[0]))
    for c in range(len(sin)):
        azimuth = ((c + 0.5) / len(sin) - 0.5) * 2 * math.pi + yaw
        sin[c], cos[c] = math.sin(azimuth), math.cos(azimuth)
    step = math.pi / len(depth)
    row_sin, row_cos = np.empty(len(depth)), np.empty(len(depth))
    for r in range(len(depth)):
        elevation = (0.5 - (r + 0.5) / len(depth)) * math.pi
        row_sin[r], row_cos[r] = math.sin(elevation), math.cos(elevation)
    for row in range(height):
        for column in range(width):
            before = -1
            for r in range(row * SUPERSAMPLE, (row + 1) * SUPERSAMPLE):
                flat, up = row_cos[r], row_sin[r]
                for c in range(column * SUPERSAMPLE, (column + 1) * SUPERSAMPLE):
                    t, dx, dy = depth[r, c], sin[c] * flat, cos[c] * flat
                    like = likeness(ground, solids, ox + t * dx, oy + t * dy, which[r, c], face[r, c])
                    if like < 0 or like != before:
                        footprint = min(t * t / oz * step * SUPERSAMPLE, 40.0)
                        colour(
                            ground,
                            solids,
                            palette,
                            shade,
                            light,
                            ox,
                            oy,
                            oz,
                            dx,
                            dy,
                            up,
                            t,
                            which[r, c],
                            face[r, c],
                            footprint,
                            out,
                        )
                        before = like
                    for k in range(3):
                        image[row, column, k] += out[k]
    return image / np.float32(SUPERSAMPLE**2)
