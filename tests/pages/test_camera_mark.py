import re
from xml.etree import ElementTree

import pytest

from ucvgl.index.camera_place import Camera
from ucvgl.pages.camera_mark import camera_mark

NORTH_EAST = Camera(10.0, 5.0, 2.0, 40.0, "m", None, None, 90.0, 1.0)


def test_the_mark_lies_where_the_camera_stood_and_its_cone_where_it_looked():
    drawn = ElementTree.fromstring(camera_mark(NORTH_EAST))
    within, camera = drawn.findall("circle")
    assert [float(within.attrib[name]) for name in ("cx", "cy", "r")] == pytest.approx([25, -12.5, 5])
    assert (camera.attrib["cx"], camera.attrib["cy"]) == (within.attrib["cx"], within.attrib["cy"])
    (cone,) = drawn.findall("path")
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", cone.attrib["d"])]
    start, left, right = numbers[:2], numbers[2:4], numbers[-2:]
    assert start == pytest.approx([25, -12.5])
    assert left[0] == right[0] > 45  # it looks east
    assert left[1] + right[1] == pytest.approx(-25) and left[1] < right[1]
