"""Tiles: orthographic views from above, north up."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.compiled import kernel
from ucvgl.world.exposure import expose
from ucvgl.world.shade import HAZE, colour, likeness
from ucvgl.world.surroundings import draw_light, surroundings
from ucvgl.world.visibility import CEILING_M, look_down
from ucvgl.world.world import World

SUPERSAMPLE = 2


def render_tile(
    world: World, place: Float[np.ndarray, "2"], view_seed: int, *, size: int
) -> UInt8[np.ndarray, "s s 3"]:
    """The square around `place` from above."""
    half = world.look.tile_side_m / 2
    rng = np.random.default_rng([world.seed, view_seed, 4])
    x, y = float(place[0]), float(place[1])
    light = draw_light(world, rng, azimuth=(120, 175), elevation=(35, 55), visibility_m=0.0)
    reach = half * 1.5
    scene = surroundings(
        world, x, y, rng, world.above, light, reach_m=reach + 22, shade_reach_m=reach, clear_m=0
    )
    turn = rng.uniform(0, 2 * math.pi)
    lean = world.level.lean * math.cos(turn), world.level.lean * math.sin(turn)
    cells = SUPERSAMPLE * size
    cell = 2 * half / cells
    west, south = x - half, y - half
    seen = look_down(scene.solids, west, south, cell, cells, *lean)
    colours = _colours(scene, west, south, cell, *lean, *seen)[::-1]
    if world.look.veil:
        colours += rng.uniform(0.5, 1.5) * world.look.veil * (np.array(HAZE, np.float32) - colours)
    return expose(colours, world.level, rng)


@kernel
def _colours(scene, west, south, cell, lean_x, lean_y, depth, which, face):
    """Mean colour of each pixel's `SUPERSAMPLE` squared rays; like rays are shaded once."""
    size = len(depth) // SUPERSAMPLE
    image = np.zeros((size, size, 3), np.float32)
    out = np.empty(3)
    ground, solids, palette, shade, light = scene
    for row in range(size):
        for column in range(size):
            before = -1
            for r in range(row * SUPERSAMPLE, (row + 1) * SUPERSAMPLE):
                oy = south + (r + 0.5) * cell - lean_y * CEILING_M
                for c in range(column * SUPERSAMPLE, (column + 1) * SUPERSAMPLE):
                    ox, t = west + (c + 0.5) * cell - lean_x * CEILING_M, depth[r, c]
                    like = likeness(ground, solids, ox + t * lean_x, oy + t * lean_y, which[r, c], face[r, c])
                    if like < 0 or like != before:
                        colour(
                            ground,
                            solids,
                            palette,
                            shade,
                            light,
                            ox,
                            oy,
                            CEILING_M,
                            lean_x,
                            lean_y,
                            -1.0,
                            t,
                            which[r, c],
                            face[r, c],
                            0.0,
                            out,
                        )
                        before = like
                    for k in range(3):
                        image[row, column, k] += out[k]
    return image / np.float32(SUPERSAMPLE**2)
