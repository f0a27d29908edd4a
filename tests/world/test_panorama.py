import dataclasses

import numpy as np
import pytest

from tests.world.hand_built import MIDDLE, meadow, patchwork
from ucvgl.projection.birdseye import BirdsEye
from ucvgl.world.levels import NO_GAP
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.panorama import camera_position, render_panorama
from ucvgl.world.solids import BLOCK, LAMP, box, cylinder

SIZE = {"height": 64, "width": 256}


def changed_columns(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.flatnonzero((before != after).any((0, 2)))


@pytest.mark.parametrize(("east", "north", "share"), [(10, 0, 0.75), (0, 10, 0.5), (-10, 0, 0.25)])
def test_a_pole_appears_in_the_column_of_its_azimuth(east: float, north: float, share: float):
    pole = cylinder(LAMP, 50 + east, 50 + north, 0.3, 0, 6, 0)
    before, after = (render_panorama(world, MIDDLE, 1, **SIZE) for world in (meadow(), meadow(pole)))
    columns = changed_columns(before, after)
    assert len(columns) > 0
    assert abs(columns.mean() + 0.5 - share * SIZE["width"]) <= 1


def test_a_pole_reaches_from_below_the_horizon_to_its_elevation():
    pole = cylinder(LAMP, 50, 60, 0.5, 0, 12, 0)
    before, after = (render_panorama(world, MIDDLE, 1, **SIZE) for world in (meadow(), meadow(pole)))
    rows = np.flatnonzero((before != after).any((1, 2)))
    top, foot = np.rad2deg(np.arctan2([12 - 2, 0 - 2], 9.5))
    assert rows[0] == pytest.approx((90 - top) / 180 * 64, abs=1.5)
    assert rows[-1] == pytest.approx((90 - foot) / 180 * 64, abs=1.5)


def test_a_building_hides_what_stands_behind_it():
    building = box(BLOCK, 60, 50, 4, 12, 0, 0, 9, 5)
    pole = cylinder(LAMP, 68, 50, 0.3, 0, 6, 0)
    hidden = [
        render_panorama(meadow(*solids), MIDDLE, 1, **SIZE) for solids in ((building,), (building, pole))
    ]
    np.testing.assert_array_equal(*hidden)
    seen = [render_panorama(meadow(*solids), MIDDLE, 1, **SIZE) for solids in ((), (pole,))]
    assert len(changed_columns(*seen)) > 0


def test_the_same_view_seed_gives_the_same_picture_and_another_one_another():
    level = dataclasses.replace(NO_GAP, noise=4.0, tone=0.5)
    first, again, other = (render_panorama(meadow(level=level), MIDDLE, seed, **SIZE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_the_camera_jitters_around_its_place_but_not_into_things():
    level = dataclasses.replace(NO_GAP, position_jitter_m=2.0)
    wall = box(BLOCK, 53, 50, 4, 4, 0, 0, 6, 1)
    world = meadow(wall, level=level)
    spots = np.array([camera_position(world, MIDDLE, np.random.default_rng(seed)) for seed in range(200)])
    assert (np.hypot(*(spots - (53, 50)).T) > wall[-1]).all()
    assert 1.0 < np.std(spots[:, 1]) < 3.0


def test_the_birds_eye_view_of_the_panorama_lines_up_with_the_tile_at_yaw_0_only():
    world = patchwork()
    panorama = render_panorama(world, MIDDLE, 1, height=256, width=1024)
    bev = BirdsEye(64, 256, 1024, fov_deg=170.0)(panorama)
    tile = render_tile(world, MIDDLE, 1, size=64)

    def correlation(image: np.ndarray) -> float:
        return float(np.corrcoef(image.mean(2).ravel(), tile.mean(2).ravel())[0, 1])

    wrong = [np.rot90(bev, turns) for turns in (1, 2, 3)] + [bev[:, ::-1], bev[::-1]]
    assert correlation(bev) > 0.85
    assert max(map(correlation, wrong)) < 0.5
