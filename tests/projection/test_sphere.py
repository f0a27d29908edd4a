import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ucvgl.projection.sphere import focal_length, metric_fov_deg, panorama_of_bev

CVACT = {
    "bev_width": 1200,
    "bev_height": 1200,
    "panorama_width": 1664,
    "panorama_height": 832,
    "fov_deg": 170.0,
}
CVUSA = {
    "bev_width": 750,
    "bev_height": 750,
    "panorama_width": 1232,
    "panorama_height": 616,
    "fov_deg": 175.0,
}


@pytest.mark.parametrize(
    ("geometry", "point", "seen"),
    [
        (CVACT, (600, 600), (832.0, 832.0)),
        (CVACT, (600, 0), (832.0, 439.1111)),
        (CVACT, (0, 600), (416.0, 439.1111)),
        (CVACT, (0, 0), (624.0, 432.3628)),
        (CVACT, (600, 500), (832.0, 544.0190)),
        (CVACT, (700, 600), (1248.0, 544.0190)),
        (CVACT, (563, 653), (161.4052, 596.6395)),
        (CVUSA, (375, 0), (616.0, 316.5556)),
        (CVUSA, (0, 0), (462.0, 314.0516)),
        (CVUSA, (375, 275), (616.0, 339.8214)),
        (CVUSA, (338, 428), (119.5020, 356.6442)),
    ],
)
def test_points_of_the_birds_eye_view_are_seen_where_the_released_geometry_sees_them(geometry, point, seen):
    x, y = (np.array([float(value)]) for value in point)
    column, row = panorama_of_bev(x, y, **geometry)
    np.testing.assert_allclose((column[0], row[0]), seen, atol=5e-5)


@pytest.mark.parametrize(("width", "fov_deg", "focal"), [(1200, 170.0, 52.4932), (750, 175.0, 16.3729)])
def test_focal_lengths_are_those_of_half_the_field_of_view(width, fov_deg, focal):
    assert focal_length(width, fov_deg) == pytest.approx(focal, abs=5e-5)


def bev_of_panorama(column, row, *, bev_width, bev_height, panorama_width, panorama_height, fov_deg):
    """The inverse, by laying the ray that a panorama point stands for onto the ground."""
    azimuth = (column / panorama_width - 0.5) * 2 * math.pi
    depression = (row / panorama_height - 0.5) * math.pi
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(depression > 0, focal_length(bev_width, fov_deg) / np.tan(depression), np.nan)
    return bev_width / 2 + distance * np.sin(azimuth), bev_height / 2 - distance * np.cos(azimuth)


@given(st.data())
def test_looking_down_and_laying_out_are_inverse(data):
    width, height = data.draw(st.integers(2, 2000)), data.draw(st.integers(2, 2000))
    geometry = {
        "bev_width": width,
        "bev_height": height,
        "panorama_width": data.draw(st.integers(2, 4000)),
        "panorama_height": data.draw(st.integers(2, 2000)),
        "fov_deg": data.draw(st.floats(10, 178)),
    }
    x = np.array([data.draw(st.floats(0, width))])
    y = np.array([data.draw(st.floats(0, height))])
    assume(math.hypot(x[0] - width / 2, y[0] - height / 2) > 1e-3)  # straight down has no azimuth
    column, row = panorama_of_bev(x, y, **geometry)
    assert 0 <= column[0] <= geometry["panorama_width"]
    assert geometry["panorama_height"] / 2 < row[0] <= geometry["panorama_height"]
    back = bev_of_panorama(column, row, **geometry)
    np.testing.assert_allclose((back[0][0], back[1][0]), (x[0], y[0]), atol=1e-6 * (width + height))


@pytest.mark.parametrize(
    ("width", "metres_per_pixel", "fov_deg"),
    [(1200, 0.122, 176.1), (750, 0.232, 176.7), (640, 0.114, 172.2)],  # tiles of CVACT, CVUSA and VIGOR
)
def test_the_scale_of_a_tile_seen_from_two_and_a_half_metres_is_a_field_of_view(width, metres_per_pixel, fov_deg):
    found = metric_fov_deg(width, metres_per_pixel=metres_per_pixel, camera_height_m=2.5)
    assert found == pytest.approx(fov_deg, abs=0.05)


@given(st.integers(2, 2000), st.floats(0.01, 5), st.floats(0.5, 100))
def test_the_focal_length_of_a_scale_is_camera_height_over_metres_per_pixel(width, metres_per_pixel, height):
    fov = metric_fov_deg(width, metres_per_pixel=metres_per_pixel, camera_height_m=height)
    assert 0 < fov < 180
    assert focal_length(width, fov) == pytest.approx(height / metres_per_pixel, rel=1e-6)


@given(st.floats(0.05, 1), st.floats(1, 5), st.floats(1, 60), st.floats(0, 2 * math.pi), st.integers(50, 900))
def test_in_metres_a_point_of_the_ground_is_seen_at_its_own_elevation(scale, height, metres, azimuth, width):
    assume(metres / scale < width / 2)
    fov = metric_fov_deg(width, metres_per_pixel=scale, camera_height_m=height)
    x = np.array([width / 2 + metres / scale * math.sin(azimuth)])
    y = np.array([width / 2 - metres / scale * math.cos(azimuth)])
    _, row = panorama_of_bev(
        x, y, bev_width=width, bev_height=width, panorama_width=360, panorama_height=180, fov_deg=fov
    )
    assert row[0] - 90 == pytest.approx(math.degrees(math.atan2(height, metres)), abs=1e-6)
