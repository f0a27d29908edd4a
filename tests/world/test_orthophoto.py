import dataclasses

import numpy as np

from tests.world.hand_built import MIDDLE, USUAL, meadow
from ucvgl.world.draft import Draft
from ucvgl.world.levels import NO_GAP
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.palette import Material
from ucvgl.world.solids import BLOCK, box
from ucvgl.world.world import finished


def test_north_is_up_and_east_is_right():
    draft = Draft(100, np.random.default_rng(0))
    draft.fill(np.array([(60, 55), (70, 55), (70, 70), (60, 70)]), Material.MARKING)
    tile = render_tile(finished(draft, 0, NO_GAP, USUAL), MIDDLE, 1, size=64).mean(2)
    row, column = np.array(np.nonzero(tile > 200)).mean(1) + 0.5
    metres = USUAL.tile_side_m / 64
    assert abs((column - 32) * metres - 15) < 0.5
    assert abs((32 - row) * metres - 12.5) < 0.5


def test_a_lean_moves_the_roof_by_its_height_and_leaves_the_ground():
    tower = box(BLOCK, 50, 50, 6, 6, 0, 0, 20, 5)
    upright = render_tile(meadow(tower), MIDDLE, 1, size=64).astype(int)
    leaning = render_tile(meadow(tower, level=dataclasses.replace(NO_GAP, lean=0.3)), MIDDLE, 1, size=64)
    changed = np.array(np.nonzero(np.abs(upright - leaning).sum(2) > 8))
    reach = (3 * np.sqrt(2) + 0.3 * 20) / (USUAL.tile_side_m / 64)
    assert changed.size > 0
    assert (np.hypot(*(changed + 0.5 - 32)) <= reach + 1.5).all()


def test_shadows_fall_away_from_the_sun_and_only_darken():
    tower = box(BLOCK, 50, 50, 6, 6, 0, 0, 10, 5)
    shaded = dataclasses.replace(NO_GAP, shadow=0.5)
    lit, dark = (
        render_tile(meadow(tower, level=level), MIDDLE, 1, size=64).astype(int) for level in (NO_GAP, shaded)
    )
    fallen = np.array(np.nonzero((lit - dark).sum(2) > 30))
    assert fallen.shape[1] > 40
    assert fallen[0].mean() < 31, "the tiles' sun stands in the south"
    assert (dark - lit).max() <= 1
