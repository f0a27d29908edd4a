"""Panoramas that begin anywhere, turned to the north."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.poses.flat_ground import patches
from ucvgl.images.decode import resize
from ucvgl.poses.turns import turned, turns_of, upright
from ucvgl.projection.birdseye import BirdsEye

PANORAMA = resize(patches(3, 96), 96, 360)
PROJECT = BirdsEye(64, 96, 360, fov_deg=160.0)


@given(st.integers(-720, 720))
def test_a_panorama_made_upright_is_as_it_was_before_the_camera_turned(heading):
    (again,) = upright(turned(PANORAMA, heading)[None], np.array([float(heading)]), above=False)
    np.testing.assert_array_equal(again, PANORAMA)


@pytest.mark.parametrize("heading", [0, 90, 15, 200, -37])
def test_a_view_from_above_is_made_upright_as_its_panorama_is(heading):
    """Whichever is done first; what is beyond the panorama's circle is anything."""
    (seen,) = upright(PROJECT(turned(PANORAMA, heading))[None], np.array([float(heading)]), above=True)
    y, x = np.mgrid[:64, :64] - 31.5
    within = np.hypot(x, y) < 30
    apart = np.abs(seen.astype(float) - PROJECT(PANORAMA))[within].mean()
    others = np.abs(PROJECT(turned(PANORAMA, 25)).astype(float) - PROJECT(PANORAMA))[within].mean()
    assert apart < 0.3 * others


def test_turns_go_all_around_where_the_heading_is_unknown():
    turns = turns_of("unknown")
    assert turns_of("known").tolist() == [0] and len(turns) == 24
    np.testing.assert_allclose(np.diff(turns), 15)


@pytest.mark.parametrize("above", [True, False])
def test_no_image_is_made_upright_as_none(above):
    """A shard of which no image could be used."""
    assert upright(PANORAMA[None][:0], np.zeros(0), above=above).shape == (0, *PANORAMA.shape)
