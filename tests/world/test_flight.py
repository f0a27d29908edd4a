import dataclasses
import math

import numpy as np
import pytest

from tests.world.hand_built import USUAL, meadow
from ucvgl.world.flight import EDGE_M, buildings, flight, render_flight, render_street
from ucvgl.world.levels import LEVELS, NO_GAP
from ucvgl.world.solids import BLOCK, HEDGE, HOUSE, SHED, box
from ucvgl.world.world import World, build_world

HALL = box(BLOCK, 50, 50, 14, 10, 0.4, 0, 10, 5)
HALL_RECORD = meadow(HALL).solids[0]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(5, LEVELS["medium"], USUAL, side_m=400)


def test_places_are_buildings_apart_from_each_other_and_from_the_edge(world: World):
    found = buildings(world)
    middle = np.stack([found["x"], found["y"]], 1)
    assert len(found) > 4
    assert np.isin(found["style"], (HOUSE, BLOCK)).all()
    apart = np.hypot(*(middle[:, None] - middle[None]).transpose(2, 0, 1)) + 1e6 * np.eye(len(found))
    assert apart.min() > world.level.spacing_m
    assert middle.min() > EDGE_M and middle.max() < world.side_m - EDGE_M
    np.testing.assert_array_equal(found, buildings(world))


def test_a_flight_goes_down_looks_at_the_building_and_comes_by_every_side():
    world = meadow(HALL)
    cameras = flight(world, world.solids[0], 3, views=9)
    height = np.array([camera.z for camera in cameras])
    assert (np.diff(height) < 0).all() and height[0] > 1.8 * height[-1] > 40
    aims = [camera.pixel_of(np.array([(50, 50, 4.0)]), 100, 100)[0] for camera in cameras]
    np.testing.assert_allclose(aims, np.full((9, 2), 50), atol=1e-6)
    headings = np.sort([camera.heading % (2 * math.pi) for camera in cameras])
    gaps = np.diff(np.append(headings, headings[0] + 2 * math.pi))
    assert math.radians(15) < gaps.min() and gaps.max() < math.radians(60)


def test_flights_begin_at_other_azimuths_and_the_level_shakes_the_camera():
    shaken = meadow(HALL, level=dataclasses.replace(NO_GAP, position_jitter_m=2.0))
    calm = meadow(HALL)
    first = [flight(calm, calm.solids[0], seed, views=4)[0].heading for seed in range(8)]
    assert np.std(first) > 0.5
    off = [
        camera.pixel_of(np.array([(50, 50, 4.0)]), 100, 100)[0] - 50
        for seed in range(8)
        for camera in flight(shaken, shaken.solids[0], seed, views=4)
    ]
    assert 1.0 < np.std(off) < 8.0


def test_every_picture_of_a_flight_has_the_roof_in_its_middle_and_other_sides_around():
    world = meadow(HALL)
    bare = meadow()
    with_hall, without = (render_flight(w, HALL_RECORD, 1, views=5, size=48) for w in (world, bare))
    for picture, empty in zip(with_hall, without, strict=True):
        changed = (picture != empty).any(2)
        assert changed[20:28, 20:28].all()
        assert not changed[:4].any() and changed.mean() < 0.4
    assert (with_hall[0] != with_hall[1]).mean() > 0.2


def test_a_flight_is_the_same_each_time_and_another_seed_gives_another():
    world = meadow(HALL, level=LEVELS["medium"])
    first, again, other = (render_flight(world, HALL_RECORD, seed, views=2, size=32) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).mean() > 0.5


def test_the_photo_is_taken_from_the_spot_that_shows_most_and_not_through_other_buildings():
    south, north = np.array([50.0, 28.0]), np.array([50.0, 72.0])
    wall = box(SHED, 50, 33, 30, 1, 0, 0, 9, 1)
    behind_a_wall = meadow(HALL, wall)
    spots = np.array([south, north])
    free = render_street(meadow(HALL, wall), HALL_RECORD, spots, 1, size=48)
    from_north = render_street(meadow(HALL, wall), HALL_RECORD, north[None], 1, size=48)
    np.testing.assert_array_equal(free, from_north)
    assert render_street(behind_a_wall, HALL_RECORD, south[None], 1, size=48) is None


def test_a_photo_has_the_sky_at_its_top():
    hedge = box(HEDGE, 50, 60, 8, 1, 0, 0, 1, 1)
    photo = render_street(meadow(HALL, hedge), HALL_RECORD, np.array([(50.0, 75.0)]), 1, size=64)
    assert photo is not None
    blue = photo[..., 2].astype(int) - photo[..., 0]
    assert blue[2].mean() > 10
