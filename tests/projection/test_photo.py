import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ucvgl.images.decode import BadImage
from ucvgl.projection.birdseye import birds_eye
from ucvgl.projection.photo import FINEST, panorama_of
from ucvgl.projection.preprocessing import Preprocessing, query_of
from ucvgl.settings.dataset import Lens, WorldLook
from ucvgl.settings.experiment import Projection
from ucvgl.world.snapshot import photo_in

LENS = Lens(90.0, 45.0, -45.0)


def sphere(height: int = 180) -> np.ndarray:
    """A panorama whose colours vary slowly, and differently in every direction."""
    row, column = np.mgrid[:height, : 2 * height] / height * np.pi
    waves = np.cos(column), np.sin(column), np.cos(2 * row)
    return np.stack([140 + 60 * wave * np.sin(row) for wave in waves], axis=-1).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.floats(25, 110), st.integers(0, 1000), st.sampled_from([1e-9, 4.0]))
def test_a_photo_is_the_part_of_the_panorama_that_it_was_cut_from(fov_deg, seed, hand_deg):
    """The photo is taken by rotated rays, and laid back by tangents."""
    whole = sphere()
    photo, heading = photo_in(whole, WorldLook(photo_fov_deg=fov_deg), [seed], hand_deg=hand_deg)
    lens = Lens(fov_deg, 90.0, -90.0)
    drawn = np.random.default_rng([seed])
    drawn.uniform(0, 360)
    pitch, roll = drawn.normal(0, hand_deg, 2)
    around = panorama_of(photo, lens, fov_deg=fov_deg, heading_deg=heading, tilt_deg=(pitch, roll))
    row, column = np.mgrid[: around.shape[0], : around.shape[1]] + 0.5
    there = whole[
        (row * whole.shape[0] / around.shape[0]).astype(int), (column * whole.shape[1] / around.shape[1]).astype(int)
    ]
    shown = around.any(2)
    assert np.abs(around[shown].astype(int) - there[shown]).max() <= 14, "a pixel of it is up to two degrees wide"
    elevation = 90 - row * 180 / around.shape[0]
    azimuth = (column / around.shape[1] * 360 - 180 - heading + 180) % 360 - 180
    level = np.abs(elevation - pitch) < 1
    aside = 3 if hand_deg < 1 else 8
    assert shown[level & (np.abs(azimuth) < fov_deg / 2 - aside)].all()
    assert hand_deg > 1 or not shown[np.abs(azimuth) > fov_deg / 2 + 3].any()


def test_the_longer_side_is_as_wide_as_said_however_the_camera_was_held():
    lying, standing = np.full((60, 80, 3), 9, np.uint8), np.full((80, 60, 3), 9, np.uint8)
    whole = Lens(90.0, 90.0, -90.0)
    shown = [panorama_of(one, whole, fov_deg=90, heading_deg=0).any(2) for one in (lying, standing)]
    for seen, along, across in ((shown[0], 1, 0), (shown[1], 0, 1)):
        middle = seen.shape[0] // 2, seen.shape[1] // 2
        longer, shorter = (np.take(seen, middle[1 - axis], 1 - axis).sum() for axis in (along, across))
        degrees = 360 / seen.shape[1]
        assert abs(longer * degrees - 90) <= 3 and abs(shorter * degrees - 2 * np.degrees(np.arctan(0.75))) <= 3


def test_a_large_photo_is_shrunk_before_it_is_laid_out():
    photo = np.zeros((1500, 2000, 3), np.uint8)
    photo[:, ::2] = 200  # one pixel dark, one bright
    around = panorama_of(photo, LENS, fov_deg=90, heading_deg=0)
    assert around.shape == (FINEST // 4, FINEST, 3)
    seen = around[around.any(2)]
    assert 80 < seen.min() <= seen.max() < 120, "averaged, and not one of the two"


def test_what_a_photo_does_not_show_is_black_in_its_view_from_above_and_what_is_black_in_it_is_not():
    around = panorama_of(np.zeros((192, 256, 3), np.uint8), LENS, fov_deg=90, heading_deg=90)
    above = Projection(top_elevation_deg=45, bottom_elevation_deg=-45, fov_deg=160)
    shown = birds_eye(above, 64, *around.shape[:2])(around).any(2)
    assert shown[30:34, 50:60].all() and not shown[:, :30].any(), "it looked east"
    assert 0.15 < shown.mean() < 0.3


def written(photo: np.ndarray, focal_35: float | None = None, looks: float | None = None) -> bytes:
    image, exif, file = Image.fromarray(photo), Image.Exif(), io.BytesIO()
    if focal_35 is not None:
        exif.get_ifd(0x8769)[0xA405] = focal_35
    if looks is not None:
        exif.get_ifd(0x8825)[17] = looks
    image.save(file, "JPEG", exif=exif)
    return file.getvalue()


PHOTO = np.full((60, 80, 3), 120, np.uint8)


def test_what_settings_do_not_say_is_read_from_the_photo():
    how = Preprocessing((16, 64), (16, 64), lens=replace(LENS, fov_deg=0.0))
    told = query_of(written(PHOTO, 26, 90.0), how, "a")
    width = 2 * np.degrees(np.arctan(np.hypot(36, 24) * 0.8 / 2 / 26))
    columns = told.panorama.any(0).any(1)
    assert told.looked_deg == 90 and abs(columns.sum() / len(columns) * 360 - width) < 3
    middle = np.flatnonzero(columns).mean() / len(columns) * 360 - 180
    assert abs(middle - 90) < 2
    assert query_of(written(PHOTO, 26, 90.0), how, "a", heading_deg=10.0).looked_deg == 10


@pytest.mark.parametrize(
    ("data", "fov_deg", "message"),
    [
        (written(PHOTO, None, 90.0), 0.0, "a: its EXIF does not say how wide it saw"),
        (written(PHOTO, 3, 90.0), 0.0, "a: its EXIF says that it saw 16[0-9] degrees"),
        (written(PHOTO, 26), 0.0, "a: nobody says where it looked"),
        (written(PHOTO), 90.0, "a: nobody says where it looked"),
    ],
)
def test_a_photo_of_which_too_little_is_known_is_refused(data, fov_deg, message):
    with pytest.raises(BadImage, match=message):
        query_of(data, Preprocessing((16, 64), (16, 64), lens=replace(LENS, fov_deg=fov_deg)), "a")


def test_a_panorama_that_is_said_to_look_east_is_turned():
    panorama = np.zeros((4, 8, 3), np.uint8)
    panorama[:, 4] = 200  # just right of its middle: a little south of east
    how = Preprocessing((4, 8), (4, 8))
    turned = query_of(panorama, how, heading_deg=90.0)
    assert turned.panorama[0, :, 0].tolist() == [0, 0, 0, 0, 0, 0, 200, 0] and turned.looked_deg == 90
    for unknown in (None, float("nan")):
        assert query_of(panorama, how, heading_deg=unknown).panorama is panorama
