"""One continuous world per seed: its ground, the things on it, and the places where a camera can stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from ucvgl.settings.dataset import WorldLook
from ucvgl.world.draft import CELL, Draft
from ucvgl.world.levels import Level
from ucvgl.world.lots import LANDS, fill_block, zone_blocks
from ucvgl.world.palette import WALKABLE, Palette, palette_from_above, summer_palette
from ucvgl.world.plants import plant_block, plant_streets
from ucvgl.world.roads import draw_roads, lay_out
from ucvgl.world.solids import CYLINDER, ELLIPSOID, SOLID

EDGE_M = 36
"""No place is nearer to the world's edge, nor does a tile reach beyond it."""


@dataclass(frozen=True)
class World:
    """A world as arrays; x runs east and y north, in metres.

    Args:
        ground: material of each cell, row 0 at the south edge.
        solids: things that stand on the ground, of type `SOLID`.
        car_places: x, y, yaw of each place for a car.
        below: colours seen from the ground.
        above: colours seen from above.
    """

    seed: int
    level: Level
    look: WorldLook
    side_m: float
    ground: np.ndarray
    solids: np.ndarray
    car_places: np.ndarray
    below: Palette
    above: Palette


def build_world(seed: int, level: Level, look: WorldLook, *, side_m: float = 1024.0) -> World:
    """The world of a seed."""
    land = LANDS[look.land]
    draft = Draft(side_m, np.random.default_rng([seed, 1]))
    network = lay_out(draft.rng, side_m, land.pitch_m)
    blocks = zone_blocks(draft, network.junctions, land.shares)
    draw_roads(draft, network)
    for zone, corners in blocks:
        fill_block(draft, zone, corners)
    plant_streets(draft, network, level.canopy)
    for zone, corners in blocks:
        plant_block(draft, zone, corners, level.canopy)
    return finished(draft, seed, level, look)


def finished(draft: Draft, seed: int, level: Level, look: WorldLook) -> World:
    """The world of a draft, which may also have been drawn by hand."""
    return World(
        seed,
        level,
        look,
        draft.side_m,
        draft.ground,
        np.array(draft.solids, SOLID),
        np.array(draft.car_places, np.float64).reshape(-1, 3),
        summer_palette(seed),
        palette_from_above(seed, level.palette, look),
    )


def places(world: World, *, spacing_m: float | None = None) -> Float[np.ndarray, "n 2"]:
    """Camera positions: on roads, paths and squares, `spacing_m` apart (the level's), in random order."""
    spacing_m = spacing_m or world.level.spacing_m
    step = round(1 / CELL)
    ground = world.ground[step // 2 :: step, step // 2 :: step]
    open_ground = np.isin(ground, WALKABLE)
    edge = max(EDGE_M, math.ceil(world.look.tile_side_m / 2))
    open_ground[:edge] = open_ground[-edge:] = open_ground[:, :edge] = open_ground[:, -edge:] = False
    blocked = np.zeros(open_ground.shape, np.uint8)
    for solid in world.solids[world.solids["bottom"] < 2.5]:
        if solid["shape"] != ELLIPSOID:
            margin = 1.6 if solid["shape"] == CYLINDER else 1.0
            cv2.circle(blocked, (int(solid["x"]), int(solid["y"])), int(solid["reach"] + margin), 1, -1)
    rng = np.random.default_rng([world.seed, 2])
    candidates = rng.permutation(np.argwhere(open_ground & (blocked == 0)))
    near = np.zeros(open_ground.shape, np.uint8)
    found = []
    for row, column in candidates:
        if not near[row, column]:
            cv2.circle(near, (int(column), int(row)), int(spacing_m), 1, -1)
            found.append((column + 0.5, row + 0.5))
    return np.array(found, np.float64).reshape(-1, 2)
