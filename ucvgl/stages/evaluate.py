"""Recall of every round on the validation images: the only stage that reads ground truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ucvgl.config import Experiment
from ucvgl.data.image_store import ImageStore
from ucvgl.distributed.embed import EmbedJob, Look, read_embeddings
from ucvgl.distributed.machines import Machines
from ucvgl.matching.topk import two_sided_topk
from ucvgl.model.towers import View
from ucvgl.retrieval.raw import raw_recall
from ucvgl.retrieval.recall import Recall, ranks, recall
from ucvgl.retrieval.truth import GroundTruth, label_precision, read_truth, true_rows

SHOWN = 5
"""References kept per query, for the report."""


def evaluate(
    folder: Path, *, projected: Path, cold: Path, trained: Path, experiment: Experiment, machines: Machines
) -> dict[str, Any]:
    """Embed the validation images with every round's encoders; write `rounds.parquet`, `retrievals.parquet`
    and `recall.json` into `folder`. Without ground truth there are retrievals, but no recall.
    """
    queries, references = (projected / "validation" / view for view in ("queries", "references"))
    views: list[tuple[Path, View]] = [(queries, "query"), (references, "reference")]
    models = [cold / "model.pt", *sorted(trained.glob("round_*/model.pt"))]
    names = ["cold", *(path.parent.name for path in models[1:])]
    jobs = [
        EmbedJob((Look(store, view),), model, folder / "embeddings" / name / view)
        for name, model in zip(names, models, strict=True)
        for store, view in views
    ]
    machines.embedder.embed(jobs)
    truth = read_truth(experiment.dataset, "validation")
    ids = ImageStore(queries).ids, ImageStore(references).ids
    rows = np.full(len(ids[0]), -1) if truth is None else true_rows(truth, *ids)
    scores, order = [], np.empty(0, int)
    for query_job, reference_job in zip(jobs[::2], jobs[1::2], strict=True):
        both = (query_job, reference_job)
        query, reference = (read_embeddings(job.looks[0].store, job.folder).vector for job in both)
        order = ranks(query, reference, rows)
        scores.append(recall(order, len(reference)) if (rows >= 0).any() else None)
    _write_rounds(folder / "rounds.parquet", trained, names, scores, read_truth(experiment.dataset, "train"))
    best = two_sided_topk(query, reference, k=min(SHOWN, len(reference)))
    retrievals = {
        "query_row": np.arange(len(query)),
        "rank": order,
        "true_row": rows,
        "reference_rows": list(best.row_index),
        "scores": list(best.row_score),
    }
    pq.write_table(pa.table(retrievals), folder / "retrievals.parquet")
    raw = {}
    if (rows >= 0).any():
        bevs, tiles = ImageStore(projected / "validation" / "bev"), ImageStore(references)
        raw = raw_recall(bevs.read(range(len(bevs))), tiles.read(range(len(tiles))), rows)
    result = {"recall": asdict(scores[-1]) if scores[-1] else None, "raw_pixels": raw}
    (folder / "recall.json").write_text(json.dumps(result, indent=1) + "\n")
    return {"r1": scores[-1].r1 if scores[-1] else None}


def read_recall(folder: Path) -> tuple[Recall | None, dict[str, float]]:
    """The recall of the last round, and what raw pixels reach without learning."""
    saved = json.loads((folder / "recall.json").read_text())
    return (Recall(**saved["recall"]) if saved["recall"] else None), saved["raw_pixels"]


def _write_rounds(
    path: Path, trained: Path, names: list[str], scores: list[Recall | None], truth: GroundTruth | None
) -> None:
    """One row per set of encoders: recall on validation, and the precision of the labels it was trained on."""
    rows = []
    for name, score in zip(names, scores, strict=True):
        labels = trained / name / "pairs.parquet"
        known = truth is not None and labels.exists()
        rows.append(
            {
                "name": name,
                "r1": score.r1 if score else None,
                "r5": score.r5 if score else None,
                "r10": score.r10 if score else None,
                "precision": label_precision(pq.read_table(labels), truth) if known and truth else None,
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), path)
