"""Every setting of a world's look shows in its pictures, and moves nothing else."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tests.world.hand_built import MIDDLE, USUAL, meadow, patchwork
from ucvgl.projection.birdseye import BirdsEye
from ucvgl.settings.dataset import WorldLook
from ucvgl.world.draft import Draft, rectangle
from ucvgl.world.levels import LEVELS, NO_GAP
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.palette import Material, brightness, palette_from_above, summer_palette
from ucvgl.world.panorama import camera_pose, camera_position, render_panorama
from ucvgl.world.solids import BLOCK, HOUSE, LEAVES, box
from ucvgl.world.world import build_world, finished, places

CAMERAS = [
    {"camera_height_m": 1.6, "tile_side_m": 30.0},
    {"camera_height_m": 4.0, "tile_side_m": 80.0},
    {"camera_height_m": 2.5, "tile_side_m": 50.0, "top_elevation_deg": 30.0, "bottom_elevation_deg": -60.0},
    {"camera_height_m": 2.0, "tile_side_m": 40.0, "top_elevation_deg": 20.0, "bottom_elevation_deg": -35.0},
]


def birds_eye_view(look: WorldLook, panorama: np.ndarray) -> np.ndarray:
    fov_deg = 2 * math.degrees(math.atan(look.tile_side_m / 2 / look.camera_height_m))
    crop = {"top_elevation_deg": look.top_elevation_deg, "bottom_elevation_deg": look.bottom_elevation_deg}
    return BirdsEye(64, *panorama.shape[:2], fov_deg=fov_deg, **crop)(panorama)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_mark_on_the_ground_is_where_it_should_be_in_tile_and_birds_eye_view(camera: dict[str, Any]):
    look = WorldLook(**camera, texture=0.0)
    east, north = 0.22 * look.tile_side_m, -0.17 * look.tile_side_m
    draft = Draft(100, np.random.default_rng(0))
    side = look.tile_side_m / 10
    draft.fill(rectangle(*(MIDDLE + (east, north)), side, side, 0.0), Material.MARKING)
    world = finished(draft, 0, NO_GAP, look)
    panorama = render_panorama(world, MIDDLE, 1, height=256, width=1024)
    for view in (render_tile(world, MIDDLE, 1, size=64), birds_eye_view(look, panorama)):
        row, column = np.array(np.nonzero(view.min(2) > 190)).mean(1) + 0.5
        metres = look.tile_side_m / 64
        assert abs((column - 32) * metres - east) < 1.5 * metres
        assert abs((32 - row) * metres - north) < 1.5 * metres


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_birds_eye_view_covers_the_ground_of_the_tile(camera: dict[str, Any]):
    look = WorldLook(**camera)
    world = patchwork(look)
    bev = birds_eye_view(look, render_panorama(world, MIDDLE, 1, height=256, width=1024))
    tile = render_tile(world, MIDDLE, 1, size=64)
    seen = bev.any(2)

    def correlation(image: np.ndarray) -> float:
        return float(np.corrcoef(image.mean(2)[seen], tile.mean(2)[seen])[0, 1])

    assert seen.mean() > 0.9
    assert correlation(bev) > 0.75
    assert max(correlation(np.rot90(bev, turns)) for turns in (1, 2, 3)) < 0.5


def test_a_crop_is_a_part_of_the_whole_panorama():
    solids = box(BLOCK, 60, 50, 4, 12, 0, 0, 9, 5), box(HOUSE, 44, 58, 8, 7, 0.3, 0, 3, 7, 3)
    whole = render_panorama(meadow(*solids), MIDDLE, 1, height=180, width=256)
    look = WorldLook(top_elevation_deg=40, bottom_elevation_deg=-50)
    part = render_panorama(meadow(*solids, look=look), MIDDLE, 1, height=90, width=256)
    assert (part == whole[50:140]).mean() > 0.999  # the rest: a ray that grazes an edge


def test_the_usual_look_has_the_pictures_that_it_had_before_there_were_others():
    """Mean colours of quarters, as rendered by commit 60d8816 (whose pictures were the same to the last pixel)."""
    for level, expected in BEFORE.items():
        world = build_world(77, LEVELS[level], USUAL, side_m=260)
        place = places(world)[0]
        panorama = render_panorama(world, place, 0, height=32, width=128)
        tile = render_tile(world, place, 0, size=32)
        np.testing.assert_allclose([*quarters(panorama), *quarters(tile)], expected, atol=0.6, err_msg=level)


def quarters(image: np.ndarray) -> list[list[float]]:
    height, width = (side // 2 for side in image.shape[:2])
    parts = [image[r : r + height, c : c + width] for r in (0, height) for c in (0, width)]
    return [part.mean((0, 1)).round(1).tolist() for part in parts]


def test_full_inversion_makes_dark_from_above_what_is_bright_from_the_ground():
    below = brightness(summer_palette(1).ground)
    usual, inverted = (
        brightness(palette_from_above(1, 1.0, WorldLook(inversion=share)).ground) for share in (0.0, 1.0)
    )
    assert np.corrcoef(below, usual)[0, 1] > 0.95
    assert np.corrcoef(below, inverted)[0, 1] < -0.9


def test_snow_lies_on_lawns_and_roofs_and_not_on_roads():
    autumn, winter = (palette_from_above(1, 1.0, WorldLook(season=season)) for season in ("autumn", "winter"))
    gain = brightness(winter.ground) - brightness(autumn.ground)
    assert gain[[Material.GRASS, Material.CROP, Material.PITCH]].min() > 60
    assert gain[[Material.ASPHALT, Material.SIDEWALK, Material.PAVING]].max() < 0
    assert (brightness(winter.roof) - brightness(autumn.roof)).mean() > 40


def test_a_city_is_built_and_the_country_is_green():
    level = LEVELS["medium"]
    green, built, leaves = {}, {}, {}
    for land in ("country", "town", "city"):
        world = build_world(5, level, WorldLook(land=land), side_m=512)
        share = np.bincount(world.ground.ravel(), minlength=len(Material)) / world.ground.size
        green[land] = share[[Material.GRASS, Material.MEADOW, Material.CROP, Material.SOIL]].sum()
        built[land], leaves[land] = share[Material.FOUNDATION], (world.solids["style"] == LEAVES).sum()
    assert green["country"] > green["town"] + 0.1 > green["city"] + 0.2
    assert built["country"] < built["town"] < built["city"]
    assert leaves["country"] > leaves["city"]


@pytest.mark.parametrize("land", ["country", "town", "city"])
def test_every_land_has_room_for_the_places_of_a_world(land: Any):
    world = build_world(9, LEVELS["medium"], WorldLook(land=land, tile_side_m=80))
    found = places(world)
    assert len(found) > 500
    assert found.min() > 40 and found.max() < world.side_m - 40


def test_haze_takes_contrast_from_what_is_far_and_a_veil_from_tiles():
    house = box(BLOCK, 50, 90, 10, 6, 0, 0, 12, 5)
    clear, hazy = (WorldLook(visibility_m=metres) for metres in (1000.0, 40.0))
    spread = [
        np.ptp(render_panorama(meadow(house, look=look), MIDDLE, 1, height=64, width=256)[26:31].mean((0, 2)))
        for look in (clear, hazy)
    ]
    assert spread[1] < 0.6 * spread[0]
    bare, veiled = (render_tile(patchwork(WorldLook(veil=veil)), MIDDLE, 1, size=64) for veil in (0.0, 0.5))
    assert 0.2 < veiled.std() / bare.std() < 0.8
    assert veiled.mean() > bare.mean()


def test_texture_says_how_uneven_the_ground_is():
    tiles = [render_tile(meadow(look=WorldLook(texture=rough)), MIDDLE, 1, size=64) for rough in (0.0, 1.0, 3.0)]
    even, usual, rough = (tile.std((0, 1)).mean() for tile in tiles)
    assert even < 0.5 < 0.5 * usual
    assert rough > 2 * usual


def test_the_camera_stands_off_the_centre_and_off_north_as_far_as_asked():
    look = WorldLook(off_centre_m=3.0)
    spots = np.array([camera_position(meadow(look=look), MIDDLE, np.random.default_rng(k)) for k in range(400)])
    assert (spots - MIDDLE).std() == pytest.approx(3.0, rel=0.15)
    both = meadow(level=dataclasses.replace(NO_GAP, position_jitter_m=4.0), look=look)
    spots = np.array([camera_position(both, MIDDLE, np.random.default_rng(k)) for k in range(400)])
    assert (spots - MIDDLE).std() == pytest.approx(5.0, rel=0.15)


def test_north_is_off_the_middle_column_as_far_as_asked():
    pole = box(BLOCK, 50, 62, 0.8, 0.8, 0, 0, 12, 5)
    columns = []
    for seed in range(40):
        views = [
            render_panorama(meadow(*solids, look=WorldLook(off_north_deg=20)), MIDDLE, seed, height=32, width=360)
            for solids in ((), (pole,))
        ]
        columns.append(np.flatnonzero((views[0] != views[1]).any((0, 2))).mean() + 0.5 - 180)
    assert np.std(columns) == pytest.approx(20, rel=0.3)
    assert abs(np.mean(columns)) < 10


def test_panoramas_that_begin_anywhere_look_everywhere_from_where_they_stood():
    looks = WorldLook(off_centre_m=3.0), WorldLook(off_centre_m=3.0, any_heading=True)
    poses = [[camera_pose(meadow(look=look), MIDDLE, np.random.default_rng(k)) for k in range(400)] for look in looks]
    north, anywhere = map(np.array, poses)
    np.testing.assert_array_equal(anywhere[:, :2], north[:, :2])
    count, _ = np.histogram(anywhere[:, 2], 4, (-np.pi, np.pi))
    assert (count > 70).all() and np.abs(north[:, 2]).max() < 0.1
    tiles = [render_tile(meadow(look=look), MIDDLE, 1, size=32) for look in looks]
    np.testing.assert_array_equal(*tiles)


BEFORE: dict[str, Any] = {
    "easy": [
        [120.0, 139.3, 177.7],
        [119.2, 139.5, 178.1],
        [127.8, 120.3, 119.9],
        [138.6, 132.7, 130.2],
        [167.2, 165.1, 162.2],
        [154.3, 149.7, 127.6],
        [138.9, 137.1, 133.0],
        [159.7, 144.9, 96.7],
    ],
    "medium": [
        [162.3, 203.2, 236.7],
        [162.2, 203.7, 237.5],
        [150.3, 152.4, 154.7],
        [167.1, 171.3, 169.2],
        [154.0, 143.5, 159.3],
        [151.4, 138.4, 140.1],
        [142.5, 134.2, 147.6],
        [151.7, 126.2, 104.7],
    ],
    "hard": [
        [159.0, 188.3, 220.3],
        [159.3, 189.2, 221.4],
        [197.0, 196.5, 196.1],
        [206.8, 207.3, 203.1],
        [199.4, 199.2, 207.5],
        [193.5, 194.8, 189.2],
        [179.9, 184.4, 191.6],
        [182.9, 167.8, 141.1],
    ],
}
