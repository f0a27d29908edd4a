"""Trees: a trunk and a crown of several rounded clumps, along streets and scattered over blocks."""

from __future__ import annotations

# pyright: reportCallIssue=false
# It cannot know how many numbers an array unpacks to.
import math

import numpy as np
from jaxtyping import Float

from ucvgl.world.draft import BUILT, Draft, rectangle
from ucvgl.world.palette import WALKABLE, Material
from ucvgl.world.roads import Network
from ucvgl.world.solids import LAMP, LEAVES, TRUNK, box, cylinder, ellipsoid

SCATTERED = {"homes": 16, "centre": 7, "park": 30, "farm": 5, "sport": 14, "square": 9}
NO_TREE = (*WALKABLE, Material.WATER, Material.FOUNDATION, Material.PITCH, Material.CLAY)


def plant_tree(draft: Draft, x: float, y: float, canopy: float) -> None:
    """Put one tree where nothing forbids it."""
    rng = draft.rng
    if not 1 < min(x, y) <= max(x, y) < draft.side_m - 2 or draft.taken[int(y), int(x)] == BUILT:
        return
    draft.take(rectangle(x, y, 1, 1, 0), BUILT)
    seed = int(rng.integers(1 << 30))
    radius = rng.uniform(1.5, 3.2) * canopy
    stem = rng.uniform(2.2, 3.4)
    slender = rng.uniform(0.8, 1.35)
    draft.solids.append(cylinder(TRUNK, x, y, 0.1 + 0.05 * radius, 0, stem + radius, seed))
    middle = stem + radius * slender * 0.8
    draft.solids.append(ellipsoid(LEAVES, x, y, middle, radius * 0.8, radius * slender * 0.85, seed))
    turn = rng.uniform(0, 6.28)
    for k in range(5):
        angle, out = turn + k * 2 * math.pi / 5, radius * rng.uniform(0.42, 0.58)
        size = radius * rng.uniform(0.42, 0.58)
        lift = middle + radius * slender * rng.uniform(-0.42, 0.3)
        draft.solids.append(
            ellipsoid(
                LEAVES, x + out * math.cos(angle), y + out * math.sin(angle), lift, size, size * 0.9, seed
            )
        )


def plant_bush(draft: Draft, x: float, y: float) -> None:
    """A bush, unless something is built there; metres."""
    if not 1 < min(x, y) <= max(x, y) < draft.side_m - 2 or draft.taken[int(y), int(x)] == BUILT:
        return
    radius = draft.rng.uniform(0.5, 1.2)
    draft.solids.append(
        ellipsoid(LEAVES, x, y, radius * 0.6, radius, radius * 0.9, int(draft.rng.integers(1 << 30)))
    )


def plant_streets(draft: Draft, network: Network, canopy: float) -> None:
    """Rows of trees and lamps beside the roads."""
    rng = draft.rng
    for road in network.roads:
        for side in (-1, 1):
            distance = road.width / 2 + road.sidewalk + 1.2
            line = road.points + side * distance * road.normals
            if rng.random() < 0.5:
                for k in range(int(rng.integers(3, 12)), len(line) - 8, int(rng.integers(9, 18))):
                    if draft.at(*line[k]) not in NO_TREE:
                        plant_tree(draft, *line[k], canopy)
            if road.lanes and side == 1:
                for k in range(10, len(line) - 10, 28):
                    x, y = road.points[k] + (road.width / 2 + 0.5) * road.normals[k]
                    if draft.at(x, y) == Material.SIDEWALK:
                        _lamp(draft, x, y, road.normals[k])


def _lamp(draft: Draft, x: float, y: float, normal: np.ndarray) -> None:
    draft.solids.append(cylinder(LAMP, x, y, 0.09, 0, 6, 0))
    angle = math.atan2(normal[1], normal[0])
    draft.solids.append(box(LAMP, x - 0.7 * normal[0], y - 0.7 * normal[1], 1.6, 0.22, angle, 5.9, 6.05, 0))


def plant_block(draft: Draft, zone: str, corners: Float[np.ndarray, "4 2"], canopy: float) -> None:
    """Trees and bushes scattered over a block, as many as its kind has; corners in metres, crowns of about
    `canopy` metres.
    """
    for number in range(SCATTERED[zone]):
        s, t = draft.rng.random(2)
        x, y = (corners[0] * (1 - s) + corners[1] * s) * (1 - t) + (corners[3] * (1 - s) + corners[2] * s) * t
        if draft.at(x, y) in NO_TREE:
            continue
        if number % 3 == 2:
            plant_bush(draft, float(x), float(y))
        else:
            plant_tree(draft, float(x), float(y), canopy)
