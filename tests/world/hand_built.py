"""Worlds small enough to reason about: 100 m of one material, with the camera in the middle."""

from __future__ import annotations

import numpy as np

from ucvgl.settings.dataset import WorldLook
from ucvgl.world.draft import Draft
from ucvgl.world.levels import NO_GAP, Level
from ucvgl.world.palette import Material
from ucvgl.world.world import World, finished

MIDDLE = np.array([50.0, 50.0])
USUAL = WorldLook()


def meadow(*solids: tuple, level: Level = NO_GAP, look: WorldLook = USUAL) -> World:
    """Grass with nothing on it but these solids."""
    draft = Draft(100, np.random.default_rng(0))
    draft.solids.extend(solids)
    return finished(draft, 0, level, look)


def patchwork(look: WorldLook = USUAL) -> World:
    """Flat ground of large patches, in no symmetry."""
    rng = np.random.default_rng(3)
    draft = Draft(100, rng)
    for _ in range(60):
        corner, size = rng.uniform(20, 75, 2), rng.uniform(2, 9, 2)
        square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size + corner
        draft.fill(square, draft.pick(Material.MARKING, Material.ASPHALT, Material.SOIL, Material.SAND))
    return finished(draft, 0, NO_GAP, look)
