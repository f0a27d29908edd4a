import math

import numpy as np
import pytest

from ucvgl.projection.birdseye import BirdsEye, birds_eye
from ucvgl.projection.sphere import focal_length
from ucvgl.settings.experiment import Projection

FOV = 160.0


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A panorama of slow waves that closes at its seam."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width] + 0.5
    waves = [
        np.cos(2 * math.pi * column / width * turns + phase) * np.cos(math.pi * row / height * turns)
        for turns, phase in zip((1, 2, 3), rng.uniform(0, 6, 3), strict=True)
    ]
    return (127 + 100 * np.stack(waves, axis=2)).astype(np.uint8)


def offsets(size: int) -> tuple[np.ndarray, np.ndarray]:
    """East and north of every pixel's centre, in pixels."""
    y, x = np.mgrid[:size, :size] + 0.5
    return x - size / 2, size / 2 - y


def test_every_direction_shows_its_own_azimuth_and_the_seam_to_the_south_no_line():
    size, height, width = 96, 60, 120  # columns so wide that pixels to the south lie between the last and the first
    azimuth = (np.arange(width) + 0.5) / width * 2 * math.pi - math.pi  # clockwise from north in the middle
    hue = np.stack((np.sin(azimuth), np.cos(azimuth), np.ones(width)), axis=1) * 100 + 127
    panorama = np.tile(hue.astype(np.uint8), (height, 1, 1))
    bev = BirdsEye(size, height, width, fov_deg=FOV)(panorama)
    east, north = offsets(size)
    away = np.hypot(east, north) > 4  # nearer, a pixel spans many azimuths
    expected = 127 + 100 * np.stack((east, north), axis=2) / np.hypot(east, north)[..., None]
    assert np.abs(bev[..., :2] - expected)[away].max() < 3
    assert (bev[..., 2] == 227).all()


def test_distance_from_the_centre_is_the_elevation():
    size, height, width = 96, 360, 720
    elevation = 90 - (np.arange(height) + 0.5) * 180 / height
    panorama = np.tile((-2 * elevation.clip(-90, 0)).astype(np.uint8)[:, None, None], (1, width, 3))
    bev = BirdsEye(size, height, width, fov_deg=FOV)(panorama)
    down = np.degrees(np.arctan2(focal_length(size, FOV), np.hypot(*offsets(size))))
    assert np.abs(bev[..., 0] - 2 * down).max() < 2.1


def test_a_camera_turned_by_quarters_turns_its_birds_eye_view():
    panorama = smooth(64, 256)
    project = BirdsEye(48, 64, 256, fov_deg=FOV)
    for quarters in range(4):
        turned = project(np.roll(panorama, -64 * quarters, axis=1)).astype(int)
        np.testing.assert_allclose(turned, np.rot90(project(panorama), quarters), atol=3)
    mirrored = project(np.ascontiguousarray(panorama[:, ::-1])).astype(int)
    np.testing.assert_allclose(mirrored, project(panorama)[:, ::-1], atol=3)


def test_a_cropped_panorama_shows_what_the_whole_one_shows_and_black_where_it_ends():
    size, height, width, top, bottom = 96, 180, 720, 51, 117  # +39 to -27 degrees: as CVUSA
    whole = smooth(height, width).clip(1)
    cropped = BirdsEye(
        size, bottom - top, width, fov_deg=FOV, top_elevation_deg=90 - top, bottom_elevation_deg=90 - bottom
    )
    found = cropped(np.ascontiguousarray(whole[top:bottom])).astype(int)
    expected = BirdsEye(size, height, width, fov_deg=FOV)(whole).astype(int)
    distance = np.hypot(*offsets(size))
    edge = focal_length(size, FOV) / math.tan(math.radians(27))
    assert 10 < edge < size / 2
    assert (found[distance < edge] == 0).all()
    assert (found[distance > edge] > 0).all()
    beyond = distance > edge + 1.5  # at the very edge, the last row is not blended with the next
    np.testing.assert_allclose(found[beyond], expected[beyond], atol=2)


def test_a_panorama_that_starts_below_the_horizon_leaves_the_far_ground_black():
    size, height, width = 64, 60, 360
    project = BirdsEye(size, height, width, fov_deg=FOV, top_elevation_deg=-30, bottom_elevation_deg=-90)
    bev = project(np.full((height, width, 3), 200, np.uint8))
    far = np.hypot(*offsets(size)) > focal_length(size, FOV) / math.tan(math.radians(30))
    assert far.any()
    assert (bev[far] == 0).all()
    assert (bev[~far] == 200).all()


@pytest.mark.parametrize("fov_deg", [0.0, 180.0, -5.0, float("nan")])
def test_a_plane_shows_less_than_a_half_space(fov_deg):
    with pytest.raises(ValueError, match=rf"fov_deg is {fov_deg}, it must lie between 0 and 180"):
        BirdsEye(8, 8, 16, fov_deg=fov_deg)


@pytest.mark.parametrize(
    ("top", "bottom", "message"),
    [
        (-40.0, -20.0, "spans -20.0 to -40.0 degrees of elevation; bottom must be below top"),
        (95.0, -90.0, "within -90 to 90"),
        (60.0, 5.0, "ends 5.0 degrees above the horizon: it shows no ground"),
    ],
)
def test_impossible_elevations_are_refused(top, bottom, message):
    with pytest.raises(ValueError, match=message):
        BirdsEye(8, 8, 16, fov_deg=FOV, top_elevation_deg=top, bottom_elevation_deg=bottom)


def test_a_panorama_of_another_size_is_refused():
    project = BirdsEye(8, 8, 16, fov_deg=FOV)
    with pytest.raises(ValueError, match=r"for panoramas of shape \(8, 16, 3\), not \(8, 18, 3\)"):
        project(np.zeros((8, 18, 3), np.uint8))


def test_settings_say_the_field_of_view_or_the_scale_and_what_was_cropped():
    panorama = smooth(60, 240)
    crop = {"top_elevation_deg": 40.0, "bottom_elevation_deg": -50.0}
    by_angle = birds_eye(Projection(fov_deg=150, **crop), 48, 60, 240)(panorama)
    np.testing.assert_array_equal(by_angle, BirdsEye(48, 60, 240, fov_deg=150, **crop)(panorama))
    half_side_m = 2.5 * math.tan(math.radians(75))
    metric = Projection(fov_deg=20, metres_per_pixel=half_side_m / 24, camera_height_m=2.5, **crop)
    np.testing.assert_array_equal(birds_eye(metric, 48, 60, 240)(panorama), by_angle)


def test_a_scale_is_that_of_the_ground_whatever_the_size_of_the_raster():
    panorama = smooth(180, 360)
    small, large = (
        birds_eye(Projection(metres_per_pixel=0.5, camera_height_m=2.0), size, 180, 360)(panorama).astype(int)
        for size in (40, 80)
    )
    np.testing.assert_allclose(large[20:60, 20:60], small, atol=1)
