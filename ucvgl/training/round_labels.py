"""The labels of a round as training pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.run import columns
from ucvgl.settings.experiment import Experiment
from ucvgl.training.batches import Pairs
from ucvgl.training.pairs import joined, repeated, with_fakes

MINIMUM_LABELS = 8
MOST_COPIES = 32
"""Of a label in an epoch: no two meet in a batch, so more copies of a few labels only make more small batches."""


def read_labels(path: Path) -> pa.Table:
    """The labels of a round, as the curriculum wrote them."""
    return read_table(path, columns.LABELS, optional=("heading_deg",))


def labelled_pairs(
    table: pa.Table, index: int, train: Path, own: Pairs | None, experiment: Experiment, known: Pairs | None = None
) -> list[Pairs]:
    """Pseudo-labels and known pairs as training pairs: panorama, tile and, on request, the panorama's fake.

    They are repeated until an epoch is about as long as the corpus, as in the released code, but not endlessly; with
    the dustbin, unlabelled queries join as negatives. Panoramas without a label are trained on with their fakes.

    Args:
        table: what `read_labels` gives.
        index: of the round, from 0.
        train: folder of the training images.
        own: every panorama with its own fake; None: fakes are not trained on.
        known: pairs that the job was told.

    Raises:
        ValueError: too few labels to train on.
    """
    settings = experiment.curriculum
    queries, references = ImageStore(train / "queries"), ImageStore(train / "references")
    label, query = np.array(table["label"]), queries.rows_of(np.array(table["query_id"]))
    reference = references.rows_of(np.array(table["reference_id"])[label])
    stores, smoothing = (queries.folder, references.folder), settings.label_smoothing
    weight = np.array(table["weight"])[label]
    pairs = Pairs("label", ("query", "reference"), stores, query[label], reference, smoothing, weight)
    pairs = pairs if known is None else joined(pairs, known)
    if len(pairs) < MINIMUM_LABELS:
        raise ValueError(
            f"round {index + 1} found {label.sum()} pseudo-labels among {len(label)} queries, too few to train on; "
            "the views are not brought together, or do not show the same places"
        )
    pairs = replace(pairs, heading_deg=_headings(table, query, len(queries)))
    labelled = np.isin(query, pairs.query)
    pairs = repeated(pairs, max(1, min(MOST_COPIES, round(len(label) / len(pairs)))))
    if labelled.mean() >= settings.dustbin_share:
        pairs = _with_dustbin(pairs, query[~labelled], index, experiment)
    if own is None:
        return [pairs]
    sources = with_fakes(pairs, own.stores[1], own.label_smoothing, index, settings)
    alone = np.setdiff1d(own.query, pairs.query)
    few = 2 * len(alone) < experiment.contrast.batch  # a batch of a few panoramas has too few negatives
    if index >= settings.rounds_without_panoramas and not few:
        sources.append(replace(own, query=alone, reference=alone))
    return sources


def _headings(table: pa.Table, query: np.ndarray, queries: int) -> np.ndarray | None:
    """Where every panorama was found to look, row by row of the store; None: to the north."""
    if "heading_deg" not in table.column_names:
        return None
    headings = np.zeros(queries)
    headings[query] = np.array(table["heading_deg"])
    return headings


def _with_dustbin(pairs: Pairs, unlabelled: np.ndarray, index: int, experiment: Experiment) -> Pairs:
    """Add the unlabelled queries, each beside a tile that is nobody's label, as rows without a partner."""
    free = np.setdiff1d(np.arange(len(ImageStore(pairs.stores[1]))), pairs.reference)
    count = min(len(unlabelled), len(free))
    drawn = np.random.default_rng((experiment.seed, index)).choice(free, size=count, replace=False)
    alone = replace(pairs, query=unlabelled[:count], reference=drawn, weight=None, spared=None)
    return replace(joined(pairs, alone), labelled=np.arange(len(pairs) + count) < len(pairs))
