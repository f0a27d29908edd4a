"""Recall on the validation images, of the result and of rounds before: the only stage that reads ground truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from ucvgl.atomic import write_whole
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.selection import asked_as, rank_images, rounds_up_to_kept
from ucvgl.files import cached
from ucvgl.files.parts import read_part
from ucvgl.files.plain import REMAKE, json_as
from ucvgl.files.tables import read_table, write_table
from ucvgl.images.image_store import ImageStore
from ucvgl.programs.ranked import Ranking
from ucvgl.pseudo_labels.decoys import Estimate, judged_recall
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.ranking import best_rank
from ucvgl.retrieval.raw_pixels import raw_recall, shrink
from ucvgl.retrieval.recall import Recall
from ucvgl.run import columns
from ucvgl.run.before import seen_before
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import as_listed
from ucvgl.stages.curriculum import judged_precision
from ucvgl.training.round_labels import read_labels
from ucvgl.truth.door import GroundTruth, label_precision, read_truth
from ucvgl.truth.score import Protocol, protocol_of, questions, score, tiles_as_well, trained_before, trained_on

SHOWN = 5
"""References kept per query, for the report."""
JUDGED = {"": "value", "_low": "low", "_high": "high"}
"""How the columns of an estimate end."""
ALL_ROUNDS_PAIRS = 100_000_000
"""Every round is evaluated where a pool makes no more pairs."""
RAW_PAIRS, RAW_REFERENCES = 10_000_000, 20_000
"""Raw pixels are compared for as many queries as make at most so many pairs, and not at all in a larger pool."""


@dataclass(frozen=True)
class Said:
    """What a set of encoders reached, where truth is known, and what the judge says of it."""

    recall: Recall | None
    judged: Estimate

    def saved(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {"recall": self.recall and self.recall.saved(), "judged": asdict(self.judged)}


@dataclass(frozen=True)
class Scored:
    """What `recall.json` says."""

    recall: Recall | None
    raw_pixels: dict[str, float]


def evaluate(
    folder: Path, *, projected: Path, cold: Path, trained: Path, experiment: Experiment, machines: Crew
) -> dict[str, Any]:
    """Write `rounds.parquet`, `retrievals.parquet` and `recall.json` into `folder`: what the encoders reach on the
    validation images, those of the cold start, of the round that is kept and, where the pool is small, of those before.

    Without ground truth there are retrievals, but no recall. The descriptors of the result stay, in
    `embeddings/<round>`; those of other rounds are gone when the next is embedded. A finished round is kept.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        cold: folder of `4_cold_start`.
        trained: folder of the stage that trained.
        machines: who embeds and ranks.
    """
    queries, references = (ImageStore(projected / "validation" / view) for view in ("queries", "references"))
    dataset = as_listed(projected.parent / "1_catalog", experiment.dataset)
    protocol = protocol_of(read_truth(dataset, "validation"), queries.ids, references.ids)
    protocol = trained_on(protocol, queries.among(ImageStore(projected / "train" / "queries")))
    seen, known = seen_before(queries.contents, experiment.supervision.start)
    protocol = tiles_as_well(trained_before(protocol, seen, known=known), queries.among(references))
    models = {"cold": cold, **{path.name: path for path in rounds_up_to_kept(trained)}}
    *before, last = models
    if cached.exists(trained / "model.pt"):  # not where training broke off
        models[last] = trained  # the encoders of that round, told what their queries are weighed by

    def ranked(name: str, known: Path | None) -> Ranking:
        into, model = folder / "embeddings" / name, models[name] / "model.pt"
        how = asked_as(experiment, verified=experiment.evaluation.verified)
        return rank_images(into, model, images, about, machines, how=how, known=known, kept=verified(name))

    def verified(name: str) -> Path:
        return folder / "embeddings" / f"{name}.verified"

    images, about = projected / "validation", questions(protocol) if protocol.answerable else []
    every = len(queries) * len(references) <= ALL_ROUNDS_PAIRS
    reached, known = {}, None
    for name in before if every or len(before) < 2 else before[:1]:
        file = folder / "embeddings" / f"{name}.json"
        if not file.exists():
            write_whole(file, json.dumps(_said(ranked(name, known), len(references), protocol).saved()))
            cached.remove(folder / "embeddings" / name)
        known, reached[name] = verified(name), json_as(Said, file.read_bytes(), file)
    ranking = ranked(last, known)
    reached[last] = _said(ranking, len(references), protocol)
    bevs, recall = ImageStore(projected / "validation" / "bev"), reached[last].recall
    raw = _raw_pixels(bevs, references, protocol) if recall else {}
    _write_rounds(folder / "rounds.parquet", trained, [*models], reached, read_truth(dataset, "train"))
    write_retrievals(folder / "retrievals.parquet", ranking.best, ranking.ranks[0] if ranking.ranks else None, protocol)
    result = {"recall": recall and recall.saved(), "raw_pixels": raw}
    write_whole(folder / "recall.json", json.dumps(result, indent=1) + "\n")
    for name in before:
        (folder / "embeddings" / f"{name}.json").unlink(missing_ok=True)
    for name in models:
        cached.remove(verified(name))
    for made in (folder / "embeddings" / last / name for name in ("decoy", "ranked")):
        cached.remove(made)
    return {"r1": recall.r1 if recall else None, "judged": reached[last].judged.value}


def _said(ranking: Ranking, references: int, protocol: Protocol) -> Said:
    recall = score(ranking.ranks, ranking.best.index, references, protocol) if ranking.ranks else None
    return Said(recall, judged_recall(ranking.best_of_all.index, references))


def write_retrievals(path: Path, best: Best, ranks: Int[np.ndarray, "q p"] | None, protocol: Protocol) -> None:
    """One row per query: its best references and whether they are right; which true one comes first, and its rank.

    Args:
        path: the table to write.
        best: references of every query, best first.
        ranks: of every true reference, -1 where there is none; None where no query has any.
    """
    shown = best.index[:, : min(SHOWN, int((best.index >= 0).sum(1).max(initial=0)))]
    order, true = np.full(len(shown), -1), np.full(len(shown), -1)
    if ranks is not None:
        order, rows = best_rank(ranks), np.arange(len(shown))
        first = np.where(ranks >= 0, ranks, np.iinfo(ranks.dtype).max).argmin(axis=1)
        true = np.where(order >= 0, protocol.positives[rows, first], -1)
    retrievals = {
        "query_row": np.arange(len(shown)),
        "rank": order,
        "true_row": true,
        "reference_rows": list(shown),
        "right": [np.isin(found, known) for found, known in zip(shown, protocol.positives, strict=True)],
        "scores": list(best.score[:, : shown.shape[1]]),
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
    saved = json_as(Scored, read_part(folder / "recall.json"), folder / "recall.json")
    return saved.recall, saved.raw_pixels


def read_rounds(folder: Path, recall: Recall | None) -> list[dict[str, Any]]:
    """What each set of encoders reached, the first and the last of which were evaluated.

    Args:
        recall: of the last one; None where no truth is known.

    Raises:
        ValueError: the table is not what evaluation wrote.
    """
    file = folder / "rounds.parquet"
    rows = read_table(file, columns.ROUNDS).to_pylist()
    half = any(len({row[f"judged{end}"] is None for end in JUDGED}) > 1 for row in rows)
    if not rows or half or (recall is not None and None in (rows[0]["r1"], rows[-1]["r1"])):
        raise ValueError(f"{file} is damaged: it does not say what was reached; {REMAKE}")
    return rows


def _write_rounds(
    path: Path, trained: Path, names: list[str], reached: dict[str, Said], truth: GroundTruth | None
) -> None:
    """One row per set of encoders: recall on validation and precision of its training labels, each beside what the
    judge says of it without truth.
    """
    rows = []
    known = truth is not None and truth.positives
    for name in names:
        labels = trained / name / "pairs.parquet"
        table = read_labels(labels) if labels.exists() else None
        believed = judged_precision(table) if table is not None else None
        found = reached.get(name)
        recall = found.recall if found else None
        rows.append(
            {
                "name": name,
                **{f"judged{end}": getattr(found.judged, of) if found else None for end, of in JUDGED.items()},
                **{k: getattr(recall, k) if recall else None for k in ("r1", "r5", "r10")},
                "precision": label_precision(table, truth) if table is not None and known and truth else None,
                "judged_precision": believed.value if believed else None,
            }
        )
    write_table(path, pa.Table.from_pylist(rows, columns.ROUNDS))
