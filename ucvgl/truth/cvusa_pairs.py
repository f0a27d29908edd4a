"""CVUSA: a panorama and a tile with the same number are a pair."""

from __future__ import annotations

from collections.abc import Mapping

from ucvgl.images.cvusa import LISTS, has_list, views
from ucvgl.images.listing import Split, opaque_id
from ucvgl.truth.ground_truth import GroundTruth, Rows


def read(root: str, split: Split) -> GroundTruth:
    """The tile of each panorama of a split.

    Raises:
        ValueError: the tree is not one of CVUSA.
    """
    found = views(root, split)
    listed = has_list(found.root, split)
    which = f"CVUSA {split}" if listed else f"CVUSA {split} without {LISTS[split]}: not the official split"
    return GroundTruth(same_names(found.queries, found.references), f"{which}, one true tile")


def same_names(queries: Mapping[str, str], references: Mapping[str, str]) -> Rows:
    """Ids of the images that have one name in both views."""
    return {
        opaque_id(path): (opaque_id(references[name]),) for name, path in queries.items() if name in references
    }
