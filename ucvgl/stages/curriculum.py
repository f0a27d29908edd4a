"""Rounds of adaptive mutual matching: label what is certain, train on it, relax (UCVGL section 3.2)."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ucvgl.config import Experiment
from ucvgl.contrast.batches import Pairs
from ucvgl.contrast.fit import fit_towers
from ucvgl.data.image_store import ImageStore
from ucvgl.distributed.embed import EmbedJob, parts_of
from ucvgl.distributed.machines import Machines
from ucvgl.matching.mutual import margin_threshold, matches, pseudo_labels
from ucvgl.model.loop import Log
from ucvgl.stages.pairs import fake_pairs
from ucvgl.types import Matches

logger = logging.getLogger(__name__)

MINIMUM_LABELS = 8


def curriculum(
    folder: Path, *, projected: Path, translated: Path, cold: Path, experiment: Experiment, machines: Machines, log: Log
) -> dict[str, Any]:
    """Write `round_XX/{pairs.parquet,model.pt}` for every round into `folder`; a finished round is kept."""
    settings = experiment.curriculum
    start, labels = cold, 0
    for index in range(settings.rounds):
        into = folder / f"round_{index:02d}"
        into.mkdir(exist_ok=True)
        if not (into / "model.pt").exists():
            labelled = folder / f"round_{index if settings.relabel else 0:02d}" / "pairs.parquet"
            if not labelled.exists():
                found = scan(start, into, projected / "train", experiment, machines)
                write_labels(found, labelled, index, projected / "train", experiment)
            table = pq.read_table(labelled)
            labels = sum(table["label"].to_pylist())
            log(stage="curriculum", step=index, labels=labels, mutual=sum(table["mutual"].to_pylist()))
            sources = [labelled_pairs(table, index, projected / "train", experiment)]
            if settings.keep_fakes:
                sources += fake_pairs(projected, translated, experiment)
            machines.trainer.run(
                fit_towers,
                folder=into,
                start=start,
                sources=sources,
                name=f"round_{index:02d}",
                epochs=settings.epochs_per_round,
                settings=experiment.contrast,
                seed=experiment.seed * 1000 + 10 + index,
                span=(index / settings.rounds, (index + 1) / settings.rounds),
            )
        start = into
    return {"rounds": settings.rounds, "labels_in_last_round": labels}


def scan(start: Path, into: Path, train: Path, experiment: Experiment, machines: Machines) -> Matches:
    """Embed every training image with the encoders in `start` and match them all, over the whole corpus."""
    turns, model = experiment.curriculum.scan_turns, start / "model.pt"
    jobs = [
        EmbedJob(train / "queries", model, "query", into / "scan" / "queries", turns),
        EmbedJob(train / "references", model, "reference", into / "scan" / "references", turns),
    ]
    machines.embedder.embed(jobs)
    found = matches(machines.searcher.match(*(parts_of(job.folder) for job in jobs)))
    shutil.rmtree(into / "scan")
    return found


def write_labels(found: Matches, path: Path, index: int, train: Path, experiment: Experiment) -> None:
    """Decide which matches are pseudo-labels of this round, and publish all of them with the verdict."""
    settings = experiment.curriculum
    threshold = margin_threshold(index, settings.rounds, first=settings.min_margin, final=settings.final_margin)
    label = pseudo_labels(found, min_margin=threshold, mutual=settings.mutual)
    queries, references = ImageStore(train / "queries").ids, ImageStore(train / "references").ids
    logger.info(
        "round %d: %d of %d queries labelled (%d mutual, margin of at least %.3f)",
        index + 1, label.sum(), len(label), found.mutual.sum(), threshold,
    )
    table = pa.table(
        {
            "query_id": queries[found.query],
            "reference_id": references[found.reference],
            "score": found.score,
            "margin": found.margin,
            "mutual": found.mutual,
            "label": label,
        },
        metadata={"threshold": str(threshold)},
    )
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, aside)
    os.replace(aside, path)


def labelled_pairs(table: pa.Table, index: int, train: Path, experiment: Experiment) -> Pairs:
    """The pseudo-labels as training pairs; with the dustbin, unlabelled queries join as negatives.

    Raises:
        ValueError: too few labels to train on.
    """
    settings, stores = experiment.curriculum, (train / "queries", train / "references")
    queries, references = (ImageStore(store) for store in stores)
    label = np.array(table["label"])
    if label.sum() < MINIMUM_LABELS:
        raise ValueError(
            f"round {index + 1} found {label.sum()} pseudo-labels among {len(label)} queries, too few to train on; "
            "the cold start has not brought the views together: give it more epochs, or lower curriculum.min_margin"
        )
    query = queries.rows_of(np.array(table["query_id"])[label])
    reference = references.rows_of(np.array(table["reference_id"])[label])
    labelled = None
    if label.mean() >= settings.dustbin_share:
        others = queries.rows_of(np.array(table["query_id"])[~label])
        free = np.setdiff1d(np.arange(len(references)), reference)
        rng = np.random.default_rng((experiment.seed, index))
        drawn = rng.choice(free, size=min(len(others), len(free)), replace=False)
        labelled = np.arange(len(query) + len(drawn)) < len(query)
        query, reference = np.append(query, others[: len(drawn)]), np.append(reference, drawn)
    return Pairs("label", ("query", "reference"), stores, query, reference, settings.label_smoothing, labelled)
