"""CVUSA (Zhai et al., CVPR 2017), the subset of 35,532 training and 8,884 validation places.

    <root>/splits/train-19zl.csv, val-19zl.csv    satellite,ground,annotation per line, no header
    <root>/streetview/panos/0000001.jpg           1232 x 224, all around, sky and nadir cropped away
    <root>/bingmap/19/0000001.jpg                 750 x 750
    <root>/split_locations/all.csv                optional: line n has sat_lat,sat_lon,... of image n

The images may also lie directly in `streetview` and `bingmap`. Without its list a split is what the other list does
not name; without both lists every image is in both splits.
"""

from __future__ import annotations

from ucvgl.images.decimals import position
from ucvgl.images.listing import (
    Split,
    Views,
    address,
    by_name,
    find_home,
    images_in,
    is_file,
    lines_of,
    name_of,
    present,
    text_of,
)
from ucvgl.types import Catalog

LISTS: dict[Split, str] = {"train": "splits/train-19zl.csv", "validation": "splits/val-19zl.csv"}
LOCATIONS = "split_locations/all.csv"
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
    listed = {one: _listed(root, one) for one in LISTS if has_list(root, one)}
    named = {name for names in listed.values() for name in names}
    pools = panoramas, tiles
    asked, searched = (listed.get(split) or [name for name in there if name not in named] for there in pools)
    queries, no_panorama = present(asked, panoramas, "streetview/panos/{}.jpg")
    references, no_tile = present(searched, tiles, "bingmap/19/{}.jpg")
    lists = [] if split in listed else [LISTS[split]]
    rest = [path for there in pools for name, path in there.items() if name not in named]
    unlisted = tuple(rest) if listed.keys() == LISTS.keys() else ()
    return Views(root, queries, references, (*lists, *no_panorama, *no_tile), unlisted)


def has_list(root: str, split: Split) -> bool:
    """Whether the official list of a split is there."""
    return is_file(root, LISTS[split])


def _listed(root: str, split: Split) -> list[str]:
    """The numbers of a split.

    Raises:
        ValueError: the list is empty, or a line of it names no tile and the panorama of the same number.
    """
    names = []
    for number, line in enumerate(lines_of(root, LISTS[split]), 1):
        tile, panorama, *_ = [*map(name_of, line.split(",")), "", ""]
        if not tile or tile != panorama:
            raise ValueError(
                f"{root}/{LISTS[split]}, line {number}: expected satellite,ground,annotation of one number; "
                "the file is not the list of CVUSA, fetch it again"
            )
        names.append(tile)
    if not names:
        raise ValueError(f"{root}/{LISTS[split]} names no image; fetch it again, or remove it")
    return names


def _places(found: Views) -> dict[str, tuple[float, float]]:
    """Coordinates of the tiles; those of the cameras, in the same lines, are left unread.

    Raises:
        ValueError: a line holds none, or there are fewer lines than tiles are numbered.
    """
    if not is_file(found.root, LOCATIONS):
        return {}
    lines, places = text_of(address(found.root, LOCATIONS)).rstrip().splitlines(), {}
    numbered = {int(name): path for name, path in found.references.items() if name.isdecimal()}
    for number, path in {1: "", **numbered}.items():  # the first line as well, as a header moves all others
        if not 1 <= number <= len(lines):
            raise ValueError(
                f"{found.root}/{LOCATIONS} has {len(lines)} lines, and {path or 'the first image'} is in none of them: "
                "it was cut off; fetch it again, or remove it"
            )
        lat, lon, *_ = [*lines[number - 1].split(","), "", ""]
        places[path] = position(f"{found.root}/{LOCATIONS}, line {number}", lat, lon)
    return places
