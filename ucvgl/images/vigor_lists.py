"""VIGOR's lists: one of all tiles of a city, and of its panoramas with the tiles that they stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ucvgl.images.listing import is_file, lines_of, name_of

SAME = {"train": "same_area_balanced_train", "validation": "same_area_balanced_test"}
FIELDS = 13
"""Of a line of labels: the panorama, then four times a tile and its offset."""
LABELS, TILES = "pano_label_balanced", "satellite_list"
LISTS = (
    "splits/{city}/{name}.txt",
    "{city}/{name}.txt",
    "splits__corrected/{city}/{name}__corrected.txt",
    "splits__corrected/{city}/{name}.txt",
    "{city}/{name}__corrected.txt",
)
"""Where a city's list may lie, the original first."""


def listed(root: str, path: str) -> list[str]:
    """The names in the first column of a list.

    Raises:
        ValueError: it is empty, or a line of a label file has not the fields that it should.
    """
    rows, labels = [line.split() for line in lines_of(root, path)], TILES not in path
    for number, row in enumerate(rows, 1):
        if labels and len(row) != FIELDS:
            raise ValueError(
                f"{root}/{path}, line {number}: {len(row)} fields instead of {FIELDS}; "
                "the file is no label file of VIGOR, or cut off: fetch it again"
            )
    if not rows:
        raise ValueError(f"{root}/{path} names no image; fetch it again, or remove it")
    return [name_of(row[0]) for row in rows]


def in_no_list(root: str, city: str, there: Mapping[str, str], lists: Sequence[str]) -> list[str]:
    """Images of a city that none of its lists names, where all are there that could.

    Args:
        root: of the data set.
        city: its name.
        there: images by name.
        lists: names of those that may name them.
    """
    paths = [find_list(root, city, name) for name in lists]
    found = [path for path in paths if path is not None]
    named = {name for path in found for name in listed(root, path)}
    whole = LABELS not in lists or paths[0] is not None or len(found) == len(lists) - 1
    return [path for name, path in there.items() if name not in named] if found and whole else []


def find_list(root: str, city: str, name: str) -> str | None:
    """Where a city's list lies below the root."""
    return next((path for form in LISTS if is_file(root, path := form.format(city=city, name=name))), None)
