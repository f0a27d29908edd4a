"""SUES-200 (Zhu et al., TCSVT 2023): drone pictures of 200 places from four heights, and a tile of each.

    <root>/Training/<height>/{drone,satellite}/<place>/*               120 places; height is 150, 200, 250 or 300
    <root>/Testing/<height>/query_{drone,satellite}/<place>/*          80 other places
    <root>/Testing/<height>/gallery_{drone,satellite}/<place>/*        all 200

This is the tree that the data set's own script for splitting leaves. What is called validation here is `Testing`.
Every height is a protocol of its own (`dataset.flight_height_m`). The folder of a place is the truth, and nothing but
the path below the root goes into an id.
"""

from __future__ import annotations

from ucvgl.images.listing import Split, Views, find_home, images_below
from ucvgl.types import Catalog

HEIGHTS_M = (150, 200, 250, 300)
HOME = ("Training", "Testing")
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split, protocol: str, height_m: int) -> Catalog:
    """The two piles of a split at one height: the first kind of the protocol asks, the second is searched.

    Args:
        root: of the data set.
        protocol: which view asks and which is searched.
        height_m: of the drone; each height is a protocol of its own.
    """
    return views(root, split, protocol, height_m).catalog("sues200")


def views(root: str, split: Split, protocol: str, height_m: int) -> Views:
    """The images of a split by `<place>/<file>`.

    Args:
        root: of the data set.
        protocol: which view asks and which is searched.
        height_m: of the drone.

    Raises:
        ValueError: pictures were not taken from this height.
    """
    if height_m not in HEIGHTS_M:
        raise ValueError(
            f"dataset.flight_height_m: SUES-200 was flown at 150, 200, 250 and 300 m, and not at {height_m}; "
            "choose one, as each is a protocol of its own"
        )
    root = find_home(root, HOME)
    asked, searched = protocol.split("_to_")
    folders = [f"Training/{height_m}/{asked}", f"Training/{height_m}/{searched}"]
    if split == "validation":
        folders = [f"Testing/{height_m}/query_{asked}", f"Testing/{height_m}/gallery_{searched}"]
    queries, references = ({path[len(one) + 1 :]: path for path in images_below(root, one)} for one in folders)
    missing = [f"{one}/" for one, found in zip(folders, (queries, references), strict=True) if not found]
    return Views(root, queries, references, tuple(missing))
