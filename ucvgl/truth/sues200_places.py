"""SUES-200: images in the folder of one place belong together."""

from __future__ import annotations

from ucvgl.images.listing import Split
from ucvgl.images.sues200 import views
from ucvgl.truth.ground_truth import GroundTruth
from ucvgl.truth.university1652_buildings import by_building


def read(root: str, split: Split, protocol: str, height_m: int) -> GroundTruth:
    """The images of each query's place in the pool of a protocol, at one height.

    Args:
        height_m: that the drone flew at, 150, 200, 250 or 300.

    Raises:
        ValueError: the tree is not one of SUES-200, or was not flown at this height.
    """
    which = f"SUES-200 {height_m} m, {protocol.replace('_', ' ')} {split}"
    return by_building(views(root, split, protocol, height_m), f"{which}, any image of the place")
