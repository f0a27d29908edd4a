"""DenseUAV: images of one place belong together, and how far the others are is part of the score."""

from __future__ import annotations

from dataclasses import replace

from ucvgl.images.denseuav import POSITIONS, positions, views
from ucvgl.images.listing import Split, opaque_id
from ucvgl.truth.ground_truth import GroundTruth
from ucvgl.truth.university1652_buildings import by_building


def read(root: str, split: Split, protocol: str) -> GroundTruth:
    """The images of each query's place in the pool of a protocol, and where every image was taken, if that is known.

    Where the table lacks a place nothing is counted by distance, and the protocol says so.

    Raises:
        ValueError: the tree is not one of DenseUAV, or its table of positions cannot be read.
    """
    found, places = views(root, split, protocol), positions(root)
    words = f"DenseUAV {protocol.replace('_', ' ')} {split}, any image of the place"
    place_of = {
        opaque_id(path): name.partition("/")[0]
        for images in (found.queries, found.references)
        for name, path in images.items()
    }
    if absent := sorted({*place_of.values()} - places.keys()):
        return by_building(found, f"{words}; no SDM, as {POSITIONS} lacks {len(absent)} places, as {absent[0]}")
    return replace(by_building(found, words), positions={image: places[place] for image, place in place_of.items()})
