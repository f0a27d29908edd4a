"""Ground panoramas: true equirectangular views, whole or cropped above and below."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.compiled import kernel
from ucvgl.world.exposure import expose
from ucvgl.world.shade import colour, likeness
from ucvgl.world.solids import ELLIPSOID
from ucvgl.world.surroundings import draw_light, surroundings
from ucvgl.world.visibility import look_around
from ucvgl.world.world import World

SUPERSAMPLE = 2


def render_panorama(
    world: World, place: Float[np.ndarray, "2"], view_seed: int, *, height: int, width: int
) -> UInt8[np.ndarray, "h w 3"]:
    """What a camera near `place` sees: its look's elevations, north in the centre column, east right of it."""
    look = world.look
    rng = view_generator(world, view_seed)
    x, y, yaw = camera_pose(world, place, rng)
    light = draw_light(world, rng, azimuth=(80, 290), elevation=(28, 62), visibility_m=look.visibility_m)
    scene = surroundings(world, x, y, rng, world.below, light, reach_m=160, shade_reach_m=40, clear_m=4.5)
    rows, columns = SUPERSAMPLE * height, SUPERSAMPLE * width
    sphere_rows = rows * 180 / (look.top_elevation_deg - look.bottom_elevation_deg)
    eye = x, y, look.camera_height_m, yaw, look.top_elevation_deg / 180, sphere_rows
    depth, which, face = look_around(scene.solids, *eye, rows, columns)
    colours = _colours(scene, *eye, depth, which, face)
    return expose(colours, world.level, rng)


def view_generator(world: World, view_seed: int) -> np.random.Generator:
    """What decides a panorama: its camera's pose first, then light and noise."""
    return np.random.default_rng([world.seed, view_seed, 3])


def camera_pose(
    world: World, place: Float[np.ndarray, "2"], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Where the camera near `place` stands, and how far its panorama's middle looks right of north, radians."""
    x, y = camera_position(world, place, rng)
    yaw = rng.normal(0, 1) * math.hypot(world.level.yaw_jitter_deg, world.look.off_north_deg)
    if world.look.any_heading:
        yaw = rng.uniform(-180, 180)
    return x, y, math.radians(yaw)


def camera_position(
    world: World, place: Float[np.ndarray, "2"], rng: np.random.Generator
) -> tuple[float, float]:
    """A point near `place` by the jitter of level and look, but not inside a thing or right at a trunk."""
    solids, off = world.solids, math.hypot(world.level.position_jitter_m, world.look.off_centre_m)
    near = np.hypot(solids["x"] - place[0], solids["y"] - place[1]) < solids["reach"] + 12
    low = solids[near & (solids["bottom"] < 2.5) & (solids["shape"] != ELLIPSOID)]
    for _ in range(20):
        x, y = place + rng.normal(0, 1, 2) * off
        if (np.hypot(low["x"] - x, low["y"] - y) > low["reach"] + 0.9).all():
            return float(x), float(y)
    return float(place[0]), float(place[1])


@kernel
def _colours(scene, ox, oy, oz, yaw, top, sphere_rows, depth, which, face):
    """Mean colour of each pixel's `SUPERSAMPLE` squared rays; like rays are shaded once."""
    height, width = len(depth) // SUPERSAMPLE, depth.shape[1] // SUPERSAMPLE
    image = np.zeros((height, width, 3), np.float32)
    out = np.empty(3)
    ground, solids, palette, shade, light = scene
    sin, cos = np.empty(len(depth[0])), np.empty(len(depth[0]))
    for c in range(len(sin)):
        azimuth = ((c + 0.5) / len(sin) - 0.5) * 2 * math.pi + yaw
        sin[c], cos[c] = math.sin(azimuth), math.cos(azimuth)
    step = math.pi / sphere_rows
    row_sin, row_cos = np.empty(len(depth)), np.empty(len(depth))
    for r in range(len(depth)):
        elevation = (top - (r + 0.5) / sphere_rows) * math.pi
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
