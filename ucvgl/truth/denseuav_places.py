"""DenseUAV: images of one place belong together, and how far the others are is part of the score."""

from __future__ import annotations

from dataclasses import replace

from ucvgl.images.denseuav import positions, views
from ucvgl.images.listing import Split, opaque_id
from ucvgl.truth.ground_truth import GroundTruth
from ucvgl.truth.university1652_buildings import by_building


def read(root: str, split: Split, protocol: str) -> GroundTruth:
    """The images of each query's place in the pool of a protocol, and where every image was taken.

    Raises:
        ValueError: the tree is not one of DenseUAV, or its table of positions cannot be read.
    """
    found, places = views(root, split, protocol), positions(root)
    truth = by_building(found, f"DenseUAV {protocol.replace('_', ' ')} {split}, any image of the place")
    where = {
        opaque_id(path): places[place]
        for images in (found.queries, found.references)
        for name, path in images.items()
        if (place := name.partition("/")[0]) in places
    }
    return replace(truth, positions=where)
