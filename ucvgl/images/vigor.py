"""VIGOR (Zhu et al., CVPR 2021): four cities, 105,214 panoramas that stand anywhere on 90,618 tiles.

    <root>/splits/<City>/satellite_list.txt       one tile per line
    <root>/splits/<City>/same_area_balanced_train.txt, same_area_balanced_test.txt, pano_label_balanced.txt
    <root>/<City>/panorama/<panoid>,<lat>,<lon>,.jpg     2048 x 1024   (or ground/<City>)
    <root>/<City>/satellite/satellite_<lat>_<lon>.png    640 x 640     (or satellite/<City>)

The pool of references is every tile of the cities, as listed, with or without a panorama. Without its list a city's
images are all in the split; a city that is absent is left out. The lists may also lie in the city's own folder, and
be the corrected ones (`splits__corrected`, `..._train__corrected.txt`), which are read where the original is not there.
"""

from __future__ import annotations

from typing import Literal

from ucvgl.images.decimals import position
from ucvgl.images.listing import Split, Views, by_name, find_home, images_in, name_of, present
from ucvgl.images.vigor_lists import LABELS, LISTS, SAME, TILES, find_list, in_no_list, listed
from ucvgl.types import Catalog

Protocol = Literal["same_area", "cross_area"]
CITIES = ("Chicago", "NewYork", "SanFrancisco", "Seattle")
CROSS = {"train": ("NewYork", "Seattle"), "validation": ("SanFrancisco", "Chicago")}
HOME = (*CITIES, "ground")
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split, protocol: Protocol) -> Catalog:
    """The two piles of a split; tiles have the coordinates that their names say."""
    found = views(root, split, protocol)
    return found.catalog("vigor", _places(found))


def views(root: str, split: Split, protocol: Protocol) -> Views:
    """The images of a split, by city and name.

    Raises:
        ValueError: a list is none, or names nothing that is there.
    """
    root = find_home(root, HOME)
    queries: dict[str, str] = {}
    references: dict[str, str] = {}
    missing: list[str] = []
    unlisted: list[str] = []
    for city in cities(split, protocol):
        panoramas = by_name(images_in(root, f"{city}/panorama", f"ground/{city}"))
        tiles = by_name(images_in(root, f"{city}/satellite", f"satellite/{city}"))
        if not panoramas and not tiles:
            missing.append(f"{city}/")
            continue
        for kept, there, name, folder, ending in (
            (queries, panoramas, labels_of(split, protocol), "panorama", "jpg"),
            (references, tiles, TILES, "satellite", "png"),
        ):
            path = find_list(root, city, name)
            names = list(there) if path is None else listed(root, path)
            found, absent = present(names, there, f"{city}/{folder}/{{}}.{ending}")
            if there and not found:
                raise ValueError(f"{root}/{path} names none of the images in {city}; it is another city's, or damaged")
            kept |= {f"{city}/{image}": file for image, file in found.items()}
            missing += absent if path else [LISTS[0].format(city=city, name=name), *absent]
            unlisted += in_no_list(root, city, there, (TILES,) if name == TILES else (LABELS, *SAME.values()))
    return Views(root, queries, references, tuple(missing), tuple(unlisted))


def cities(split: Split, protocol: Protocol) -> tuple[str, ...]:
    """The cities of a split; across areas, those of training and validation are others."""
    return CITIES if protocol == "same_area" else CROSS[split]


def labels_of(split: Split, protocol: Protocol) -> str:
    """Name of the list whose first column has a city's panoramas."""
    return SAME[split] if protocol == "same_area" else LABELS


def _places(found: Views) -> dict[str, tuple[float, float]]:
    places = {}
    for path in found.references.values():
        words = name_of(path).split("_")
        if len(words) == 3:
            places[path] = position(f"the name of {found.root}/{path}", *words[1:])
    return places
