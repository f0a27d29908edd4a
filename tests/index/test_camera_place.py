"""A pose on a tile becomes a place in the world."""

from dataclasses import replace
from math import cos, radians

import numpy as np
import pytest

from tests.index.areas import EXPERIMENT, PLACING, change_manifest, make_index, make_run
from tests.poses.flat_ground import panorama_over, patches
from ucvgl.files.parts import DONE
from ucvgl.images.image_store import write_shard
from ucvgl.index.camera_place import camera, moved, placing_of, tile_side_of
from ucvgl.index.localizer import load
from ucvgl.index.trained_run import TrainedRun
from ucvgl.pages.tile_map import metres
from ucvgl.poses.placing import Pose
from ucvgl.settings.experiment import Dataset, Projection

POSE = Pose(east=0.25, north=-0.1, radius=0.02, heading_deg=-2.0, heading_radius_deg=1.5)


@pytest.mark.parametrize("origin", [(41.0, 2.0), (-60.0, 179.9999)])
def test_metres_from_a_place_are_those_that_a_map_measures_back(origin):
    there = moved(origin[0], origin[1], 12.0, -7.0)
    assert metres(np.array([there]), np.array(origin))[0] == pytest.approx((12.0, -7.0), abs=1e-3)
    assert -180 <= there[1] <= 180


def test_units_are_metres_where_the_size_of_tiles_is_known_else_pixels():
    here = {"tile_pixels": 200, "lat": 60.0, "lon": 10.0}
    known = camera(POSE, tile_side_m=40.0, **here)
    assert (known.east, known.north, known.radius) == pytest.approx((10, -4, 0.8)) and known.unit == "m"
    assert known.lat is not None and known.lon == pytest.approx(10 + 10 / 111_320 / cos(radians(60))) and known.lat < 60
    assert known.heading_deg == 358.0
    unknown = camera(POSE, tile_side_m=None, **here)
    assert (unknown.east, unknown.unit, unknown.lat, unknown.lon) == (50.0, "px", None, None)
    assert camera(POSE, tile_side_m=40.0, tile_pixels=200, lat=None, lon=None).lat is None


def test_the_size_of_tiles_follows_from_the_settings_that_say_it():
    folder = replace(EXPERIMENT, dataset=Dataset(name="folder", tile_size=128))
    assert tile_side_of(EXPERIMENT) == EXPERIMENT.dataset.synthetic.look.tile_side_m
    assert tile_side_of(folder) is None
    assert tile_side_of(replace(folder, projection=Projection(metres_per_pixel=0.5))) == 64.0
    assert tile_side_of(replace(folder, projection=Projection(fov_deg=90.0, camera_height_m=3.0))) == pytest.approx(6.0)


def test_a_photo_is_answered_with_the_place_of_its_camera(tmp_path):
    """A tile of another width than all networks', and a camera in its middle whose panorama is turned."""
    tile = patches(4, 96)
    make_index(tmp_path / "area", tiles=2, shown=tile)
    side = EXPERIMENT.projection
    half = np.tan(np.radians(side.fov_deg / 2))
    photo = panorama_over(tile, 128, 512, top=90, bottom=-90, half_side=half, heading=6.0)
    (before,) = load(tmp_path / "area").localize(photo)
    assert before.camera is None, "an index that was not taught placed a camera"
    change_manifest(tmp_path / "area", placing=PLACING, tile_side_m=48.0)
    (answer,) = load(tmp_path / "area").localize(photo)
    found, first = answer.camera, answer.candidates[0]
    assert found is not None and found.unit == "m"
    assert (found.east, found.north) == pytest.approx((0, 0), abs=1.0) and found.heading_deg == pytest.approx(6, abs=2)
    assert (found.lat, found.lon) == pytest.approx((first.lat, first.lon), abs=2e-5)
    change_manifest(tmp_path / "area", tile_side_m=None)
    (in_pixels,) = load(tmp_path / "area").localize(photo)
    assert in_pixels.camera is not None and (in_pixels.camera.unit, in_pixels.camera.tile_side) == ("px", 96)
    for path in (tmp_path / "tiles").iterdir():
        path.unlink()
    (gone,) = load(tmp_path / "area").localize(photo)
    assert gone.camera is None and gone.candidates[0].id == first.id, "nobody knows how large its pixels are"
    change_manifest(tmp_path / "area", tile_side_m=48.0)
    (kept,) = load(tmp_path / "area").localize(photo)
    assert kept.camera == found, "an index needs no image but its own"
    (black,) = load(tmp_path / "area").localize(np.zeros_like(photo))
    assert black.note and black.camera is None, "nobody knows where a photo was taken that shows nothing"


def test_placing_is_learned_from_held_out_images_that_choose_each_other(tmp_path):
    run = make_run(tmp_path / "run", queries=40, tiles=40)
    assert placing_of(TrainedRun(run))[1] == "the run has no evaluated validation images that it was not trained on"
    tiles = np.stack([patches(seed, 64) for seed in range(40)])
    validation = run / "2_project" / "validation"
    (run / "2_project" / DONE).unlink()
    for view in ("bev", "references"):
        for old in (validation / view).glob("*"):
            old.unlink()
        names = [f"validation-{row}" for row in range(40)]
        write_shard(validation / view, 0, names, tiles)
    unit = np.eye(40, 32 * 8, dtype=np.float32)
    order = np.random.default_rng(1).permutation(40)
    pairs = TrainedRun(run)
    pairs.held_out = lambda: (unit, unit[order])  # query k belongs to row order^-1(k)
    found = pairs.held_out_pairs(99)
    assert found is not None
    np.testing.assert_array_equal(found[0], tiles)
    np.testing.assert_array_equal(found[1], tiles[np.argsort(order)])
    placing, reason = placing_of(pairs)
    assert placing is None and "do not show where" in reason, "views and tiles were shuffled"
    pairs.held_out = lambda: (unit, unit)
    placing, _ = placing_of(pairs)
    assert placing is not None and placing.pairs == 40 and placing.off_centre < 0.03
