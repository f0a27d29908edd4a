import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.training.hard_negatives import nearest_places, without


def great_circle(lat, lon):
    """Angles between all places, by the haversine formula with radians (degrees are Sample4Geo's mistake)."""
    lat, lon = np.radians(lat), np.radians(lon)
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 12))
def test_the_nearest_places_are_those_of_the_haversine_formula(seed, n, k):
    random = np.random.default_rng(seed)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, n))), random.uniform(-180, 180, n)
    found, angle = nearest_places(lat, lon, k), great_circle(lat, lon)
    np.fill_diagonal(angle, np.inf)
    count = min(k, n - 1)
    assert (found[:, count:] == -1).all()
    np.testing.assert_allclose(
        np.take_along_axis(angle, found[:, :count], 1), np.sort(angle, axis=1)[:, :count], atol=1e-7
    )


def test_degrees_taken_for_radians_would_find_others():
    lat, lon = np.array([0.0, 0.0, 6.3]), np.array([0.0, 1.0, 0.0])
    assert nearest_places(lat, lon, 1)[0] == [1]
    assert great_circle(np.degrees(lat), np.degrees(lon))[0].argsort()[1] == 2


def test_the_date_line_and_the_poles_part_nothing():
    assert nearest_places(np.array([0.0, 0.0, 0.0]), np.array([179.9, -179.9, 170.0]), 1)[:2].tolist() == [[1], [0]]
    assert nearest_places(np.array([89.9, 89.9, 89.0]), np.array([0.0, 180.0, 0.0]), 1)[:2].tolist() == [[1], [0]]


def test_a_place_without_a_position_has_no_neighbours_and_is_nobodys():
    found = nearest_places(np.array([1.0, np.nan, 2.0, 4.0]), np.array([1.0, 1.0, 1.0, np.nan]), 2)
    assert found.tolist() == [[2, -1], [-1, -1], [0, -1], [-1, -1]]
    assert (nearest_places(np.full(3, np.nan), np.full(3, np.nan), 2) == -1).all()


def test_places_on_one_spot_are_neighbours_and_none_its_own():
    found = nearest_places(np.zeros(5), np.zeros(5), 2)
    assert all(row not in found[row] and len(set(found[row])) == 2 for row in range(5))


@pytest.mark.parametrize(
    ("unwanted", "kept"), [([[7, 9]], [8, 6, 5]), ([[-1, -1]], [9, 8, 7]), ([[9, 8]], [7, 6, 5])]
)
def test_unwanted_candidates_make_room_for_the_next(unwanted, kept):
    assert without(np.array([[9, 8, 7, -1, 6, 5]]), np.array(unwanted), 3).tolist() == [kept]


def test_too_few_candidates_are_padded():
    assert without(np.array([[4, 3]]), np.array([[3]]), 3).tolist() == [[4, -1, -1]]
