"""University-1652 (Zheng et al., ACM MM 2020): drone, street and satellite images of 1,652 buildings.

    <root>/train/{drone,satellite,street}/<building>/*         701 buildings
    <root>/test/query_{drone,satellite,street}/<building>/*    701 other buildings
    <root>/test/gallery_{drone,satellite,street}/<building>/*  the same, and 250 more
    <root>/[test/]gallery_satellite_160k/**                    optional: tiles of University-160k

What is called train here is `train`, and validation is `test`. The folder of a building tells which images belong
together, so it is the truth; nothing but the path below the root goes into an id.
"""

from __future__ import annotations

from typing import Literal

from ucvgl.images.listing import Split, Views, address, find_home, images_below, sizes_below
from ucvgl.images.same_files import content_at
from ucvgl.types import Catalog

Protocol = Literal[
    "drone_to_satellite",
    "satellite_to_drone",
    "street_to_satellite",
    "satellite_to_street",
    "drone_to_satellite_160k",
]
DISTRACTORS = ("test/gallery_satellite_160k", "gallery_satellite_160k")
HOME = ("train", "test")
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split, protocol: Protocol) -> Catalog:
    """The two piles of a split: the first kind of the protocol asks, the second is searched."""
    return views(root, split, protocol).catalog("university1652")


def views(root: str, split: Split, protocol: Protocol) -> Views:
    """The images of a split by `<building>/<file>`; distractors by their path, with a leading `/`."""
    root = find_home(root, HOME)
    asked, searched = folders(split, protocol)
    queries, references = _below(root, asked), _below(root, searched)
    missing = [f"{folder}/" for folder, found in ((asked, queries), (searched, references)) if not found]
    if split == "validation" and protocol.endswith("_160k"):
        distractors = {path: size for folder in DISTRACTORS for path, size in sizes_below(root, folder).items()}
        references |= {f"/{path}": path for path in _without_copies(root, distractors, sizes_below(root, searched))}
        missing += [] if distractors else [f"{DISTRACTORS[0]}/"]
    return Views(root, queries, references, tuple(missing))


def folders(split: Split, protocol: Protocol) -> tuple[str, str]:
    """Where the queries and the references of a split lie."""
    asked, searched = protocol.removesuffix("_160k").split("_to_")
    if split == "train":
        return f"train/{asked}", f"train/{searched}"
    return f"test/query_{asked}", f"test/gallery_{searched}"


def _without_copies(root: str, distractors: dict[str, int], tiles: dict[str, int]) -> list[str]:
    """The distractors that are not, byte by byte, a tile of the gallery: University-160k holds those again."""
    sizes = {*distractors.values()} & {*tiles.values()}
    known = {content_at(address(root, path)) for path, size in tiles.items() if size in sizes} - {None}
    return [
        path
        for path, size in distractors.items()
        if size not in sizes or content_at(address(root, path)) not in known
    ]


def _below(root: str, folder: str) -> dict[str, str]:
    return {path[len(folder) + 1 :]: path for path in images_below(root, folder)}
