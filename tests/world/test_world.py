import dataclasses

import numpy as np
import pytest

from tests.world.hand_built import USUAL
from ucvgl.world.levels import LEVELS
from ucvgl.world.palette import WALKABLE, Material, palette_from_above, summer_palette
from ucvgl.world.solids import ELLIPSOID
from ucvgl.world.world import World, build_world, places

LEVEL = LEVELS["medium"]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(5, LEVEL, USUAL, side_m=220)


def test_a_seed_gives_one_world(world: World):
    again = build_world(5, LEVEL, USUAL, side_m=220)
    np.testing.assert_array_equal(world.ground, again.ground)
    np.testing.assert_array_equal(world.solids, again.solids)
    np.testing.assert_array_equal(places(world), places(again))


def test_another_seed_gives_another_world(world: World):
    other = build_world(6, LEVEL, USUAL, side_m=220)
    assert (world.ground != other.ground).mean() > 0.3


def test_places_keep_their_distance_and_are_on_walkable_ground_outside_of_things(world: World):
    found = places(world)
    assert len(found) > 5
    apart = np.hypot(*(found[:, None] - found[None]).transpose(2, 0, 1)) + 1e6 * np.eye(len(found))
    assert apart.min() > LEVEL.spacing_m - 1
    rows, columns = (found[:, ::-1] / 0.125).astype(int).T
    assert np.isin(world.ground[rows, columns], WALKABLE).all()
    upright = world.solids[(world.solids["shape"] != ELLIPSOID) & (world.solids["bottom"] < 2)]
    gap = np.hypot(found[:, :1] - upright["x"], found[:, 1:] - upright["y"]) - upright["reach"]
    assert gap.min() > 0


def test_a_world_has_roads_buildings_trees_water_and_places_for_cars():
    whole = build_world(5, LEVEL, USUAL, side_m=512)
    present = np.bincount(whole.ground.ravel(), minlength=len(Material)) / whole.ground.size
    assert present[Material.ASPHALT] > 0.05
    assert present[Material.FOUNDATION] > 0.02
    assert present[Material.WATER] > 0.0003
    assert (whole.solids["shape"] == ELLIPSOID).sum() > 800
    assert len(whole.car_places) > 250


@pytest.mark.parametrize("level", LEVELS)
def test_no_season_turns_the_order_of_brightness_around(level: str):
    summer = summer_palette(1).ground @ (0.299, 0.587, 0.114)
    autumn = palette_from_above(1, LEVELS[level].palette, USUAL).ground @ (0.299, 0.587, 0.114)
    assert summer[Material.ASPHALT] < summer[Material.GRASS] < summer[Material.SIDEWALK]
    assert autumn[Material.ASPHALT] < autumn[Material.GRASS] < autumn[Material.SIDEWALK]
    assert np.corrcoef(summer, autumn)[0, 1] > 0.95


def test_without_a_gap_both_views_have_the_same_colours():
    for ours, theirs in zip(summer_palette(3), palette_from_above(3, 0.0, USUAL), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=8)


def test_levels_grow_harder():
    easy, medium, hard = (dataclasses.astuple(LEVELS[name])[:-3] for name in ("easy", "medium", "hard"))
    assert all(a <= b <= c for a, b, c in zip(easy[:-1], medium[:-1], hard[:-1], strict=True))
