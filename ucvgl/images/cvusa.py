"""CVUSA (Zhai et al., CVPR 2017), the subset of 35,532 training and 8,884 validation places.

    <root>/splits/train-19zl.csv, val-19zl.csv    satellite,ground,annotation per line, no header
    <root>/streetview/panos/0000001.jpg           1232 x 224, all around, sky and nadir cropped away
    <root>/bingmap/19/0000001.jpg                 750 x 750
    <root>/split_locations/all.csv                optional: line n has sat_lat,sat_lon,... of image n

The images may also lie directly in `streetview` and `bingmap`. Without its list a split is what the other list does
not name; without both lists every image is in both splits.
"""

from __future__ import annotations

from ucvgl.images.decimals import numbers
from ucvgl.images.listing import (
    Split,
    Views,
    by_name,
    find_home,
    images_in,
    is_file,
    lines_of,
    name_of,
    present,
)
from ucvgl.types import Catalog

LISTS = {"train": "splits/train-19zl.csv", "validation": "splits/val-19zl.csv"}
LOCATIONS = "split_locations/all.csv"
TILE, PANORAMA = 0, 1
"""Columns of the lists."""
HOME = ("streetview", "bingmap")
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split) -> Catalog:
    """The two piles of a split; tiles have coordinates where `split_locations/all.csv` is there."""
    found = views(root, split)
    return found.catalog("cvusa", _places(found))


def views(root: str, split: Split) -> Views:
    """The images of a split by their numbers."""
    root = find_home(root, HOME)
    panoramas = by_name(images_in(root, "streetview/panos", "streetview"))
    tiles = by_name(images_in(root, "bingmap/19", "bingmap"))
    queries, no_panorama = present(_names(root, split, PANORAMA, panoramas), panoramas, "streetview/panos/{}.jpg")
    references, no_tile = present(_names(root, split, TILE, tiles), tiles, "bingmap/19/{}.jpg")
    lists = [] if has_list(root, split) else [LISTS[split]]
    return Views(root, queries, references, (*lists, *no_panorama, *no_tile))


def has_list(root: str, split: Split) -> bool:
    """Whether the official list of a split is there."""
    return is_file(root, LISTS[split])


def _names(root: str, split: Split, column: int, there: dict[str, str]) -> list[str]:
    if has_list(root, split):
        return _column(root, split, column)
    other: Split = "validation" if split == "train" else "train"
    taken = set(_column(root, other, column)) if has_list(root, other) else set()
    return [name for name in there if name not in taken]


def _column(root: str, split: Split, column: int) -> list[str]:
    rows = [line.split(",") for line in lines_of(root, LISTS[split])]
    short = [number for number, row in enumerate(rows, 1) if len(row) < 2]
    if short:
        raise ValueError(
            f"{root}/{LISTS[split]}, line {short[0]}: expected satellite,ground,annotation; "
            "the file is not the list of CVUSA, fetch it again"
        )
    return [name_of(row[column]) for row in rows]


def _places(found: Views) -> dict[str, tuple[float, float]]:
    """Coordinates of the tiles; those of the cameras, in the same lines, are left unread."""
    if not is_file(found.root, LOCATIONS):
        return {}
    lines = lines_of(found.root, LOCATIONS)
    places = {}
    for name, path in found.references.items():
        if name.isdigit() and 1 <= int(name) <= len(lines):
            where = f"{found.root}/{LOCATIONS}, line {name}"
            lat, lon = numbers(where, *(lines[int(name) - 1].split(",") + [""])[:2])
            places[path] = (lat, lon)
    return places
