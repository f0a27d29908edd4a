"""What fills the blocks between the roads: homes, shops, car parks, parks, fields, courts, squares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ucvgl.world.buildings import block, house
from ucvgl.world.draft import Draft
from ucvgl.world.grounds import court, farm, furrows, park_feature, patch, square
from ucvgl.world.palette import Material

ZONES = ("homes", "centre", "park", "farm", "sport", "square")


@dataclass(frozen=True)
class Land:
    """How far apart roads run, and the share of the blocks between them that each zone has."""

    pitch_m: float
    shares: tuple[float, ...]


LANDS = {
    "town": Land(78.0, (0.36, 0.24, 0.14, 0.08, 0.08, 0.1)),
    "city": Land(62.0, (0.1, 0.58, 0.06, 0.0, 0.04, 0.22)),
    "country": Land(86.0, (0.1, 0.02, 0.28, 0.52, 0.08, 0.0)),
}
COVER = {
    "homes": (Material.GRASS, Material.GRASS, Material.MEADOW),
    "centre": (Material.PAVING, Material.GRASS, Material.CONCRETE, Material.GRAVEL),
    "park": (Material.GRASS, Material.MEADOW),
    "farm": (Material.CROP, Material.SOIL, Material.MEADOW),
    "sport": (Material.GRASS, Material.MEADOW),
    "square": (Material.PAVING, Material.GRAVEL, Material.CONCRETE),
}


def zone_blocks(
    draft: Draft, junctions: Float[np.ndarray, "r c 2"], shares: tuple[float, ...]
) -> list[tuple[str, Float[np.ndarray, "4 2"]]]:
    """Give each block a use and its ground cover; roads are drawn over it later."""
    blocks = []
    n = len(junctions) - 1
    for row in range(n):
        for column in range(n):
            corners = junctions[[row, row, row + 1, row + 1], [column, column + 1, column + 1, column]]
            if (corners.max(0) < 0).any() or (corners.min(0) > draft.side_m).any():
                continue
            zone = str(draft.rng.choice(ZONES, p=shares))
            draft.fill(corners, draft.pick(*COVER[zone]))
            if zone == "farm":
                furrows(draft, corners)
            blocks.append((zone, corners))
    return blocks


def fill_block(draft: Draft, zone: str, corners: Float[np.ndarray, "4 2"]) -> None:
    """Put the things of its zone into a block, wherever there is room."""
    rng = draft.rng
    edge = corners[1] - corners[0]
    axis = math.atan2(edge[1], edge[0])

    def somewhere() -> tuple[float, float, float]:
        s, t = rng.uniform(0.08, 0.92, 2)
        side = corners[0] * (1 - s) + corners[1] * s, corners[3] * (1 - s) + corners[2] * s
        x, y = side[0] * (1 - t) + side[1] * t
        return float(x), float(y), axis + rng.integers(4) * math.pi / 2 + rng.normal(0, 0.06)

    for _ in range(PLACED[zone][0]):
        PLACED[zone][1](draft, *somewhere())
    for _ in range(PLACED[zone][2]):
        patch(draft, *somewhere())


# per zone: how often something is tried, what, and how many patches
PLACED = {
    "homes": (26, house, 12),
    "centre": (22, block, 5),
    "park": (12, park_feature, 9),
    "farm": (5, farm, 3),
    "sport": (7, court, 6),
    "square": (14, square, 3),
}
