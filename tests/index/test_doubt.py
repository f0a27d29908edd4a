"""An answer that means little has no confidence, and tiles that are copies or show nothing are counted and named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.index.areas import QUERY, make_index
from ucvgl.index.doubt import alike, doubt, doubt_of
from ucvgl.projection.preprocessing import query_of, query_preprocessing
from ucvgl.settings.dataset import Lens, Projection

RANDOM = np.random.default_rng(0)
STREET = RANDOM.integers(0, 256, (64, 256, 3), np.uint8)


@pytest.mark.parametrize("brightness", [0, 128, 255])
@pytest.mark.parametrize("noise", [0, 3])
def test_a_photo_of_one_brightness_shows_nothing(brightness, noise):
    photo = np.clip(brightness + RANDOM.integers(-noise, noise + 1, (64, 256, 3)), 0, 255).astype(np.uint8)
    assert "shows next to nothing" in doubt(photo, 4.0)


def fields(rows: bool) -> np.ndarray:
    photo = np.full((640, 2560, 3), (10, 120, 30), np.uint8)
    photo[(slice(320, None) if rows else slice(None)), (slice(None) if rows else slice(900, None))] = (200, 40, 90)
    return photo


@pytest.mark.parametrize(
    "photo",
    [
        fields(True),
        fields(False),
        np.broadcast_to(np.linspace(0, 255, 384)[:, None], (96, 384, 3)).astype(np.uint8),
        np.broadcast_to(np.linspace(0, 255, 96)[:, None, None], (96, 384, 3)).astype(np.uint8),
    ],
    ids=["sky over ground", "two walls", "gradient", "gradient downwards"],
)
def test_a_drawing_without_detail_shows_nothing(photo):
    assert "shows next to nothing: nearly all of it is as what surrounds it" in doubt(photo, 4.0)
    detailed = np.clip(photo + np.resize(STREET, photo.shape) / 16.0, 0, 255).astype(np.uint8)
    assert doubt(detailed, 4.0) == ""


def test_a_photo_of_a_few_pixels_shows_nothing():
    assert doubt(STREET[:8, :32], 4.0) == ""
    assert doubt(STREET[:2, :8], 4.0) == "the photo is 8 x 2 pixels: too few to show anything"


def test_a_street_is_not_doubted_nor_one_at_night():
    assert doubt(STREET, 4.0) == doubt(STREET, None) == doubt(STREET // 8, 4.0) == ""


@pytest.mark.parametrize("size", [(64, 256), (60, 256), (64, 128), (256, 64), (9, 99)])
def test_the_shape_is_that_of_the_photos_that_were_trained_on(size):
    photo = np.resize(STREET, (*size, 3))
    assert bool(doubt(photo, 4.0)) == (size not in ((64, 256), (60, 256)))
    assert doubt(photo, None) == ""


@pytest.mark.parametrize(("fov_deg", "shows"), [(90, True), (30, True), (4, False), (1, False)])
def test_a_photo_through_a_long_lens_shows_no_ground_to_compare(fov_deg, shows):
    projection, lens = Projection(top_elevation_deg=45, bottom_elevation_deg=-45), Lens(fov_deg, 45, -45)
    how = query_preprocessing((32, 128), 64, projection, above=True, lens=lens)
    query = query_of(np.resize(STREET, (480, 640, 3)), how, heading_deg=40)
    assert ("too little to compare" in doubt_of(query, how, None)) == (not shows)


def test_copies_and_empty_tiles_are_counted_and_named():
    shown = [(str(row), "same" if row < 20 else str(row), "nothing" if row in (30, 31) else "") for row in range(40)]
    uris = {str(row): f"/tiles/{row}.png" for row in range(40)}
    shown = [*shown, ("40", "39", ""), *((str(row), "black", "nothing") for row in range(41, 44))]
    copies, empty = alike(shown, uris | {"40": "/tiles/40.png"})
    assert copies.startswith("22 tiles are copies of 2 images (one 20 times: /tiles/0.png): no answer can tell")
    assert empty.startswith("5 tiles show nothing (the first: /tiles/30.png), as a server gives where there is no")
    assert alike(shown[20:30], uris) == []


def test_a_doubted_photo_gets_no_confidence_and_a_note(tmp_path):
    localizer = make_index(tmp_path / "area")
    height, width = QUERY
    street = np.resize(STREET, (height, width, 3))
    black, portrait = np.zeros_like(street), np.resize(STREET, (width, height, 3))
    answers = localizer.localize([street, black, portrait], k=2)
    assert [answer.confidence is None for answer in answers] == [False, True, True]
    assert [bool(answer.note) for answer in answers] == [False, True, True]
    np.testing.assert_allclose(
        [answer.candidates[0].similarity for answer in answers],
        [answer.candidates[0].similarity for some in (street, black, portrait) for answer in localizer.localize(some)],
        atol=1e-5,
    )
