"""University-1652: images in the folder of one building belong together."""

from __future__ import annotations

from collections import defaultdict

from ucvgl.images.listing import Split, Views, opaque_id
from ucvgl.images.university1652 import Protocol, views
from ucvgl.truth.ground_truth import GroundTruth


def read(root: str, split: Split, protocol: Protocol, *, title: str = "University-1652") -> GroundTruth:
    """The images of each query's building in the pool of a protocol.

    Args:
        title: of the data set, as the protocol's words begin.

    Raises:
        ValueError: the tree is not one of University-1652.
    """
    which = f"{title} {protocol.replace('_', ' ')} {split}"
    return by_building(views(root, split, protocol), f"{which}, any image of the building")


def by_building(found: Views, words: str) -> GroundTruth:
    """The truth about images that lie in the folder of what they show; `words` are those of the protocol."""
    of_building = defaultdict(list)
    for name, path in found.references.items():  # distractors: under no building, which nobody asks for
        of_building[name.partition("/")[0]].append(opaque_id(path))
    positives = {
        opaque_id(path): tuple(of_building[building])
        for name, path in found.queries.items()
        if (building := name.partition("/")[0]) in of_building
    }
    return GroundTruth(positives, words, average_precision=True)
