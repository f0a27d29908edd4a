"""Tiles: orthographic views from above, north up."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8
from numba import njit

from ucvgl.data.synthetic.film import expose
from ucvgl.data.synthetic.shade import colour
from ucvgl.data.synthetic.surroundings import draw_light, surroundings
from ucvgl.data.synthetic.visibility import CEILING_M, look_down
from ucvgl.data.synthetic.world import TILE_HALF_SIDE_M, World

SUPERSAMPLE = 2


def render_tile(world: World, place: np.ndarray, view_seed: int, *, size: int) -> UInt8[np.ndarray, "s s 3"]:
    """The 46 m by 46 m around `place` from above."""
    rng = np.random.default_rng([world.seed, view_seed, 4])
    x, y = float(place[0]), float(place[1])
    light = draw_light(world, rng, azimuth=(120, 175), elevation=(35, 55), visibility_m=0.0)
    reach = TILE_HALF_SIDE_M * 1.5
    scene = surroundings(world, x, y, rng, world.autumn, light, reach_m=reach + 22, shade_reach_m=reach, clear_m=0)
    turn = rng.uniform(0, 2 * math.pi)
    lean = world.level.lean * math.cos(turn), world.level.lean * math.sin(turn)
    cells = SUPERSAMPLE * size
    cell = 2 * TILE_HALF_SIDE_M / cells
    west, south = x - TILE_HALF_SIDE_M, y - TILE_HALF_SIDE_M
    seen = look_down(scene.solids, west, south, cell, cells, *lean)
    return expose(_colours(scene, west, south, cell, *lean, *seen)[::-1], world.level, rng, (size, size))


@njit(cache=True, nogil=True)
def _colours(scene, west, south, cell, lean_x, lean_y, depth, which, face):
    cells = len(depth)
    image = np.empty((cells, cells, 3), np.float32)
    out = np.empty(3)
    for r in range(cells):
        oy = south + (r + 0.5) * cell - lean_y * CEILING_M
        for c in range(cells):
            ox = west + (c + 0.5) * cell - lean_x * CEILING_M
            colour(scene, ox, oy, CEILING_M, lean_x, lean_y, -1.0, depth[r, c], which[r, c], face[r, c], 0.0, out)
            for k in range(3):
                image[r, c, k] = out[k]
    return image
