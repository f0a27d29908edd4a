"""Ground truth, and the only door to it: evaluation imports this module, nothing that trains may.

Each data set has a reader of its own beside this one; pairs that somebody wrote down are read by `written_pairs.py`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Shaped

from ucvgl.images.listing import Split
from ucvgl.settings.experiment import Dataset
from ucvgl.truth import (
    cvact_positions,
    cvusa_pairs,
    denseuav_places,
    sues200_places,
    university1652_buildings,
    vigor_positives,
    written_pairs,
)
from ucvgl.truth.ground_truth import GroundTruth, Rows
from ucvgl.world import drone_worlds, panorama_worlds

__all__ = ["GroundTruth", "label_precision", "read_truth", "rows_of", "true_rows"]


def read_truth(dataset: Dataset, split: Split) -> GroundTruth | None:
    """What is known to be true about a split, or None where nobody wrote it down."""
    protocol = cast(Any, dataset.chosen_protocol)  # checked with the settings
    match dataset.name:
        case "synthetic":
            return written_pairs.read_parquet(panorama_worlds.home_uri(dataset), split)
        case "folder":
            return written_pairs.read_csv(dataset.root, split, by_glob=bool(dataset.queries))
        case "cvusa":
            return cvusa_pairs.read(dataset.root, split)
        case "cvact":
            return cvact_positions.read(dataset.root, split, protocol)
        case "vigor":
            return vigor_positives.read(dataset.root, split, protocol)
        case "university1652":
            return university1652_buildings.read(dataset.root, split, protocol)
        case "sues200":
            return sues200_places.read(dataset.root, split, protocol, dataset.flight_height_m)
        case "denseuav":
            return denseuav_places.read(dataset.root, split, protocol)
        case "synthetic_drone":
            home = drone_worlds.home_uri(dataset)
            return university1652_buildings.read(home, split, protocol, title="embedded world,")


def rows_of(
    references: Rows, query_ids: Shaped[np.ndarray, " q"], reference_ids: Shaped[np.ndarray, " r"]
) -> Int[np.ndarray, "q p"]:
    """The rows in the pool of each query's references, padded with -1."""
    row_of = {identity: row for row, identity in enumerate(reference_ids.tolist())}
    found = [
        [row_of[identity] for identity in references.get(query, ()) if identity in row_of]
        for query in query_ids.tolist()
    ]
    rows = np.full((len(found), max([1, *map(len, found)])), -1)
    for query, some in enumerate(found):
        rows[query, : len(some)] = some
    return rows


def true_rows(
    truth: GroundTruth, query_ids: Shaped[np.ndarray, " q"], reference_ids: Shaped[np.ndarray, " r"]
) -> Int[np.ndarray, " q"]:
    """The row of each query's first true reference in the pool; -1 where it has none there."""
    return rows_of(truth.positives, query_ids, reference_ids)[:, 0]


def label_precision(pairs: pa.Table, truth: GroundTruth) -> float | None:
    """Share of the pseudo-labels that are true; None without any label.

    Args:
        pairs: columns `query_id`, `reference_id`, `label` (bool: kept as a pseudo-label).
    """
    columns = (pairs[name].to_pylist() for name in ("query_id", "reference_id", "label"))
    right = [
        reference in truth.positives.get(query, ())
        for query, reference, label in zip(*columns, strict=True)
        if label
    ]
    return float(np.mean(right)) if right else None
