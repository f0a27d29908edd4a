"""True pairs for the jobs that ask for them: the only stage that tells any of the truth to a training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ucvgl.files.tables import write_table
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import as_listed, read_catalogs
from ucvgl.truth.door import GroundTruth, read_truth

logger = logging.getLogger(__name__)

STREAM = 2
"""Of random numbers, beside those that batches are drawn from."""


def labels(folder: Path, *, catalogs: Path, experiment: Experiment) -> dict[str, Any]:
    """Write `pairs.parquet` into `folder`: the true pairs of a share of the training queries.

    Raises:
        ValueError: nobody knows a true pair of these images.
    """
    dataset, listed = as_listed(catalogs, experiment.dataset), read_catalogs(catalogs)["train"]
    truth = read_truth(dataset, "train")
    ids = (set(table["id"].to_pylist()) for table in (listed.queries, listed.references))
    known = known_tiles(truth, *ids) if truth is not None else {}
    if truth is None or not known:
        raise ValueError(
            f"{dataset.root} has no true pairs to train on; write them down (docs/data.md), or use "
            "jobs/unsupervised.py, which needs none"
        )
    drawn = draw(sorted(known), fraction=experiment.supervision.label_fraction, seed=experiment.seed)
    table = pairs_table({query: known[query] for query in drawn}, truth)
    write_table(folder / "pairs.parquet", table)
    logger.info("labels: %d of %d training queries come with their true tile", len(drawn), len(listed.queries))
    return {"labelled_queries": len(drawn), "queries": len(listed.queries), "pairs": len(table)}


def known_tiles(truth: GroundTruth, queries: set[str], references: set[str]) -> dict[str, list[str]]:
    """The true references in the pool of every query that has any; its own alone where a protocol counts more."""
    positives = {**truth.positives, **truth.own}
    found = {query: [tile for tile in positives[query] if tile in references] for query in queries & positives.keys()}
    return {query: tiles for query, tiles in found.items() if tiles}


def draw(queries: list[str], *, fraction: float, seed: int) -> list[str]:
    """A share of the queries, at least one: with one seed, a larger share holds a smaller one."""
    order = np.random.default_rng((seed, STREAM)).permutation(len(queries))
    return sorted(queries[place] for place in order[: max(1, round(fraction * len(queries)))])


def pairs_table(tiles: dict[str, list[str]], truth: GroundTruth) -> pa.Table:
    """A row per true pair: `query_id`, `reference_id`, and `spared`, what else may show the place (list of strings)."""
    rows = []
    for query, own in tiles.items():
        near = {*own, *truth.positives.get(query, ()), *truth.spared.get(query, ())} - {""}
        rows += [{"query_id": query, "reference_id": tile, "spared": sorted(near - {tile})} for tile in own]
    columns = [("query_id", pa.string()), ("reference_id", pa.string()), ("spared", pa.list_(pa.string()))]
    return pa.Table.from_pylist(rows, pa.schema(columns))
