"""Recall of every round on the validation images: the only stage that reads ground truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ucvgl.atomic import write_whole
from ucvgl.distributed.embedders import EmbedJob, Look, read_embeddings
from ucvgl.distributed.machines import Machines
from ucvgl.distributed.selection import rounds_up_to_kept
from ucvgl.files.parts import read_part
from ucvgl.files.tables import read_table, write_table
from ucvgl.images.image_store import ImageStore
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, Estimate, decoys_ahead, estimated_recall
from ucvgl.retrieval.raw_pixels import raw_recall, shrink
from ucvgl.retrieval.recall import Recall, ranks
from ucvgl.retrieval.topk import TwoSided, two_sided_topk
from ucvgl.run import columns
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import as_listed
from ucvgl.stages.curriculum import judged_precision
from ucvgl.truth.door import GroundTruth, label_precision, read_truth
from ucvgl.truth.score import Protocol, more_scores, protocol_of, score, trained_on

SHOWN = 5
"""References kept per query, for the report."""
RAW_PAIRS, RAW_REFERENCES = 10_000_000, 20_000
"""Raw pixels are compared for as many queries as make at most so many pairs, and not at all in a larger pool."""


def evaluate(
    folder: Path, *, projected: Path, cold: Path, trained: Path, experiment: Experiment, machines: Machines
) -> dict[str, Any]:
    """Embed the validation images with the encoders of every round up to the one that is kept; write `rounds.parquet`,
    `retrievals.parquet` and `recall.json` into `folder`. Without ground truth there are retrievals, but no recall. What
    a protocol asks for beside recall, as a hit rate, is computed for the last of these rounds.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        cold: folder of `4_cold_start`.
        trained: folder of the stage that trained.
        machines: who trains, embeds and matches.
    """
    queries, references = (projected / "validation" / view for view in ("queries", "references"))
    looks = {
        "query": Look(queries, "query"),
        "reference": Look(references, "reference"),
        "decoy": Look(references, "reference", mirrored=True),
    }
    rounds = rounds_up_to_kept(trained)
    models = [cold / "model.pt", *(path / "model.pt" for path in rounds)]
    names = ["cold", *(path.name for path in rounds)]
    jobs = [
        EmbedJob((look,), model, folder / "embeddings" / name / into)
        for name, model in zip(names, models, strict=True)
        for into, look in looks.items()
    ]
    machines.embedder.embed(jobs)
    ids = ImageStore(queries).ids, ImageStore(references).ids
    dataset = as_listed(projected.parent / "1_catalog", experiment.dataset)
    trained_ids = ImageStore(projected / "train" / "queries").ids
    protocol = trained_on(protocol_of(read_truth(dataset, "validation"), *ids), ids[0], trained_ids)
    scores: list[Recall | None] = []
    judged: list[Estimate] = []
    order = np.empty(0, int)
    for first in range(0, len(jobs), len(looks)):
        of_model = jobs[first : first + len(looks)]
        query, reference, decoy = (read_embeddings(job.looks[0].store, job.folder).vector for job in of_model)
        order = ranks(query, reference, protocol.positives)
        scores.append(score(order, len(reference), protocol) if protocol.answerable else None)
        best = two_sided_topk(query, reference, k=max(2, min(SHOWN, len(reference))))
        judged.append(judge(query, reference, decoy))
    last, result = scores[-1], {"recall": None, "raw_pixels": {}}
    if last:
        last = scores[-1] = replace(last, more=more_scores(query, reference, protocol))
        bevs = ImageStore(projected / "validation" / "bev")
        result = {"recall": last.saved(), "raw_pixels": _raw_pixels(bevs, ImageStore(references), protocol)}
    train_truth = read_truth(dataset, "train")
    _write_rounds(folder / "rounds.parquet", trained, names, scores, judged, train_truth)
    write_retrievals(folder / "retrievals.parquet", best, order, protocol)
    write_whole(folder / "recall.json", json.dumps(result, indent=1) + "\n")
    return {"r1": last.r1 if last else None, "judged": judged[-1].value}


def judge(query: np.ndarray, reference: np.ndarray, decoy: np.ndarray) -> Estimate:
    """The recall of a pool as far as decoys tell, from the descriptors of queries, tiles and mirrored tiles."""
    best = two_sided_topk(query, np.concatenate([reference, decoy]), k=DECOYS_AHEAD + 1)
    ahead = decoys_ahead(best.row_index, len(reference))
    return estimated_recall(ahead, references=len(reference), decoys=len(decoy))


def write_retrievals(path: Path, best: TwoSided, order: np.ndarray, protocol: Protocol) -> None:
    """One row per query: its best references and whether they are right, and the rank of the first that is.

    Args:
        path: the table to write.
        best: references of every query, best first.
        order: rank of the first right reference of every query.
    """
    shown = best.row_index[:, : min(SHOWN, len(best.column_index))]
    retrievals = {
        "query_row": np.arange(len(shown)),
        "rank": order,
        "reference_rows": list(shown),
        "right": [np.isin(rows, true) for rows, true in zip(shown, protocol.positives, strict=True)],
        "scores": list(best.row_score[:, : shown.shape[1]]),
    }
    write_table(path, pa.table(retrievals))


def _raw_pixels(bevs: ImageStore, tiles: ImageStore, protocol: Protocol) -> dict[str, float]:
    """What correlation reaches without learning; where there are very many, for the first queries, and so named."""
    count = min(len(bevs), RAW_PAIRS // len(tiles))
    positives = protocol.positives[:count]
    if len(tiles) > RAW_REFERENCES or not (positives >= 0).any():
        return {}
    found = raw_recall(_shrunk(bevs, count), _shrunk(tiles, len(tiles)), positives)
    return found if count == len(bevs) else {f"{name} of {count} queries": r1 for name, r1 in found.items()}


def _shrunk(store: ImageStore, count: int) -> np.ndarray:
    """The first images of a store, a few at a time, as they may be too large together."""
    starts = range(0, count, 256)
    return np.concatenate([shrink(store.read(range(start, min(start + 256, count)))) for start in starts])


def read_recall(folder: Path) -> tuple[Recall | None, dict[str, float]]:
    """The recall of the last round, and what raw pixels reach without learning."""
    saved = json.loads(read_part(folder / "recall.json"))
    return (Recall(**saved["recall"]) if saved["recall"] else None), saved["raw_pixels"]


def _write_rounds(
    path: Path,
    trained: Path,
    names: list[str],
    scores: list[Recall | None],
    judged: list[Estimate],
    truth: GroundTruth | None,
) -> None:
    """One row per set of encoders: recall on validation and precision of its training labels, each beside what the
    judge says of it without truth.
    """
    rows = []
    for name, reached, estimate in zip(names, scores, judged, strict=True):
        labels = trained / name / "pairs.parquet"
        table = read_table(labels, columns.LABELS) if labels.exists() else None
        known = truth is not None and truth.positives
        believed = judged_precision(table) if table is not None else None
        rows.append(
            {
                "name": name,
                "judged": estimate.value,
                "judged_low": estimate.low,
                "judged_high": estimate.high,
                "r1": reached.r1 if reached else None,
                "r5": reached.r5 if reached else None,
                "r10": reached.r10 if reached else None,
                "precision": label_precision(table, truth) if table is not None and known and truth else None,
                "judged_precision": believed.value if believed else None,
            }
        )
    write_table(path, pa.Table.from_pylist(rows, columns.ROUNDS))
