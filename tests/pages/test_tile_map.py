import re
from xml.etree import ElementTree

import numpy as np
import pytest

from ucvgl.index.answers import Candidate
from ucvgl.pages.tile_map import HEIGHT, MOST_DOTS, WIDTH, bar_metres, distance, metres, thinned, tile_map


def candidate(lat, lon):
    return Candidate(0, "<script>", "</svg>", 0.5, lat, lon)


def marks(svg):
    """x, y of each numbered circle, by rank."""
    found = {}
    for group in ElementTree.fromstring(svg).iter("g"):
        circle = group.find("circle")
        assert circle is not None
        found[int(group.attrib["data-rank"])] = (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
    return found


def test_north_is_up_and_east_is_right():
    first, north, east = candidate(41.0, 2.0), candidate(41.01, 2.0), candidate(41.0, 2.01)
    found = marks(tile_map(np.array([[41.0, 2.0]]), [first, north, east]))
    assert found[2][1] < found[1][1] and found[2][0] == pytest.approx(found[1][0])
    assert found[3][0] > found[1][0] and found[3][1] == pytest.approx(found[1][1])
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found.values())


def test_the_scale_bar_is_as_long_as_it_says():
    svg = tile_map(np.empty((0, 2)), [candidate(0.0, 0.0), candidate(0.0, 0.01)])
    found, drawn = marks(svg), re.search(r"v6h([\d.]+)v-6", svg)
    assert drawn is not None
    metres_per_pixel = 1113.2 / (found[2][0] - found[1][0])
    told = re.search(r">([\d.]+) m<", svg)
    assert told is not None
    assert float(drawn[1]) * metres_per_pixel == pytest.approx(float(told[1]), rel=0.01)


def test_an_area_across_the_date_line_is_one_area():
    found = marks(tile_map(np.empty((0, 2)), [candidate(0.0, 179.999), candidate(0.0, -179.999)]))
    assert found[2][0] > found[1][0]
    east = metres(np.array([[0.0, -179.999]]), np.array([0.0, 179.999]))[0, 0]
    assert east == pytest.approx(0.002 * 111_320, rel=1e-6)


def test_only_numbers_reach_the_drawing_and_no_place_means_no_map():
    svg = tile_map(np.array([[41.0, 2.0], [np.nan, np.nan]]), [candidate(41.0, 2.0)])
    assert "script" not in svg and svg.count("</svg>") == 1
    assert "http" not in svg
    assert tile_map(np.array([[41.0, 2.0]]), [candidate(None, None)]) == ""
    assert tile_map(np.array([[41.0, 2.0]]), []) == ""


def test_a_large_area_is_thinned():
    assert len(thinned(np.zeros((10 * MOST_DOTS + 1, 2)))) <= MOST_DOTS
    assert len(thinned(np.zeros((7, 2)))) == 7


def test_bars_are_round_lengths():
    assert [bar_metres(longest) for longest in (1.0, 4.9, 5.0, 99.0, 250.0)] == [1.0, 2.0, 5.0, 50.0, 200.0]
    assert [distance(length) for length in (50.0, 200.0, 5000.0)] == ["50 m", "200 m", "5 km"]
