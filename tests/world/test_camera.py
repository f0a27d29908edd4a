import math

import numpy as np
import pytest

from ucvgl.world.camera import Camera, aimed


def test_a_target_appears_in_the_middle_of_the_picture():
    camera = aimed((10.0, 20.0, 50.0), (40.0, -5.0, 3.0), math.radians(50))
    np.testing.assert_allclose(camera.pixel_of(np.array([(40.0, -5.0, 3.0)]), 96, 128), [(64, 48)])


@pytest.mark.parametrize(
    ("point", "pixel"),
    [((5, 10, 2), (75, 50)), ((-5, 10, 2), (25, 50)), ((0, 10, 7), (50, 25)), ((0, 20, -3), (50, 62.5))],
)
def test_facing_north_with_a_right_angle_of_view_pixels_can_be_counted_by_hand(point, pixel):
    camera = Camera(0, 0, 2, 0, 0, math.radians(90))
    np.testing.assert_allclose(camera.pixel_of(np.array([point], float), 100, 100), [pixel])


def test_facing_east_north_is_on_the_left_and_looking_down_the_horizon_is_up():
    camera = aimed((0, 0, 30), (30, 0, 0), math.radians(60))
    north, far = camera.pixel_of(np.array([(30.0, 5, 0), (1e9, 0, 0)]), 100, 100)
    assert north[0] < 50 and north[1] == pytest.approx(50)
    assert far[0] == pytest.approx(50) and far[1] < 0


def test_nothing_behind_the_camera_has_a_pixel():
    camera = Camera(0, 0, 2, 0, 0, 1.0)
    assert np.isnan(camera.pixel_of(np.array([(0.0, -10, 2)]), 64, 64)).all()
