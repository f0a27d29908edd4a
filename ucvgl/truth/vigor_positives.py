"""VIGOR: one positive tile and three semi-positives per panorama, as its label files say.

A line has the panorama, then four times a tile and its offset: `pano  sat dlat dlng  sat1 dlat1 dlng1 ...`.
"""

from __future__ import annotations

from collections.abc import Collection

from ucvgl.images.listing import Split, lines_of, name_of, opaque_id
from ucvgl.images.vigor import Protocol, cities, labels_of, views
from ucvgl.images.vigor_lists import FIELDS, find_list, listed
from ucvgl.truth.ground_truth import GroundTruth

TILES = slice(1, FIELDS, 3)
"""Columns of the positive and the semi-positives."""


def read(root: str, split: Split, protocol: Protocol) -> GroundTruth | None:
    """The labels of all cities that are there; None without any label file.

    The protocol names the cities of which queries can be answered, and those of which there are only tiles.

    Raises:
        ValueError: a line of a label file has not the fields that it should, or a panorama two kinds of labels.
    """
    found = views(root, split, protocol)
    name = labels_of(split, protocol)
    positives, spared, answered, labels = {}, {}, {}, False
    for city in cities(split, protocol):
        path = find_list(found.root, city, name)
        if path is None or not all(_of(city, pool) for pool in (found.queries, found.references)):
            continue
        labels = bool(listed(found.root, path))  # refuses what is no label file
        for words in map(str.split, lines_of(found.root, path)):
            pano = f"{city}/{name_of(words[0])}"
            if pano not in found.queries:
                continue
            tiles = [f"{city}/{name_of(word)}" for word in words[TILES]]
            ids = tuple(opaque_id(found.references[tile]) if tile in found.references else "" for tile in tiles)
            query = opaque_id(found.queries[pano])
            if (positives.get(query, ids[:1]), spared.get(query, ids[1:])) != (ids[:1], ids[1:]):
                raise ValueError(f"{found.root}/{path} names {words[0]} twice, with other tiles; keep one of them")
            positives[query], spared[query] = ids[:1], ids[1:]
            answered |= {city: "corrected" in path} if ids[0] else {}
    if not labels:
        return None
    others = [city for city in cities(split, protocol) if city not in answered and _of(city, found.references)]
    which = f"VIGOR {protocol.replace('_', '-')} {split}, {', '.join(answered) or 'no query of any city'}"
    which += ", corrected labels" if any(answered.values()) else ""
    which += f", among tiles of {', '.join(others)} as well" if others else ""
    return GroundTruth(positives, f"{which}, one positive tile; hit rate spares semi-positives", spared=spared)


def _of(city: str, pool: Collection[str]) -> bool:
    """Whether any image of a pool is of this city."""
    return any(name.startswith(f"{city}/") for name in pool)
