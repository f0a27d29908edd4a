"""Rounds of adaptive mutual matching: label what is certain, train on it, relax (UCVGL section 3.2)."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from ucvgl.atomic import copy_whole
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.rounds import train_round
from ucvgl.distributed.scanning import STRUCTURE, VERIFIED, scan, votes
from ucvgl.distributed.selection import asked_as, keep, recall_of_round, weigh_query
from ucvgl.files import cached
from ucvgl.files.plain import json_as
from ucvgl.files.tables import write_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import load_towers
from ucvgl.pseudo_labels.decoys import Estimate, estimated_precision, percent, right_probability
from ucvgl.pseudo_labels.mutual_matching import eligible, margin_threshold, undecided
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.training.batches import Pairs
from ucvgl.training.loop import Log
from ucvgl.training.pairs import fake_pairs, fake_store, known_pairs
from ucvgl.training.round_labels import labelled_pairs, read_labels
from ucvgl.types import Matches

logger = logging.getLogger(__name__)

def curriculum(
    folder: Path,
    *,
    projected: Path,
    translated: Path,
    cold: Path,
    experiment: Experiment,
    machines: Crew,
    log: Log,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Write `round_XX/{pairs.parquet,model.pt}` for every round and the `model.pt` that is kept into `folder`.

    A finished round is kept; one that was broken off keeps its labels and resumes its training. Known pairs, if there
    are any, are trained on in every round, beside the pseudo-labels and instead of those that contradict them.

    Labels that may all be wrong, as far as decoys tell, are not trained on: encoders that learned them would find them
    again, and the decoys could not tell any more. A round can do without; where the next has no others the run stops.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        translated: folder of `3_translate`; None where no fake is used.
        cold: folder of `4_cold_start`.
        machines: who trains, embeds and matches.
        log: takes the rows of `metrics.jsonl`.
        labels: folder of `2_labels`.

    Raises:
        ValueError: the run cannot learn, or found too few labels.
    """
    settings, train = experiment.curriculum, projected / "train"
    known = None if labels is None else known_pairs(labels, train, experiment)
    fakes = fake_store(projected, translated, experiment)
    own = fake_pairs(projected, translated, experiment) if settings.with_fakes else None
    start, labelled, judged = cold, None, []
    for index in range(settings.rounds):
        into = folder / f"round_{index:02d}"
        into.mkdir(exist_ok=True)
        labelled = _labels_of(index, folder, settings)
        if not (into / "model.pt").exists():
            if not labelled.exists():
                found = scan(start, into, train, fakes, votes(index, settings), experiment, machines)
                write_labels(found, labelled, index, train, experiment, known)
            table = read_labels(labelled)
            count, mutual = (sum(table[name].to_pylist()) for name in ("label", "mutual"))
            log(stage="curriculum", step=index, labels=count, mutual=mutual, judged=judged_share(table))
            doubted = known is None and in_doubt(table)
            before = read_labels(_labels_of(index - 1, folder, settings)) if doubted and index else None
            if doubted and (own is None or (before is not None and in_doubt(before))):
                raise ValueError(_cannot_learn(table, index))
            if doubted:
                sources = [] if own is None else [own]
            else:
                sources = labelled_pairs(table, index, train, own, experiment, known)
            train_round(into, start, sources, index, experiment=experiment, machines=machines)
        start = into
        if settings.keep == "judged":
            recall = recall_of_round(into, projected, machines, how=asked_as(experiment, verified=settings.verified))
            judged.append(recall.value)
            log(stage="selection", step=index, judged_recall=recall.value, low=recall.low, high=recall.high)
    for done in (start / VERIFIED, folder / STRUCTURE):
        cached.remove(done)
    kept = keep(folder, judged) if judged else start
    told = write_result(kept, folder, projected, experiment, machines)
    labels_at_last = sum(read_labels(labelled)["label"].to_pylist()) if labelled else 0
    return {"rounds": settings.rounds, "labels_in_last_round": labels_at_last, "kept": kept.name, **told}


def write_result(
    kept: Path, folder: Path, projected: Path, experiment: Experiment, machines: Crew
) -> dict[str, float]:
    """Write the `model.pt` of a stage that trained; what the judge says of its queries, if it is asked.

    Args:
        kept: folder of the round whose encoders are the result.
        folder: of the stage.
        projected: folder of `2_project`.
        machines: who embeds and ranks.
    """
    weighed = experiment.query_by == "both" and experiment.curriculum.query_weights == "judged"
    if not weighed or not load_towers(cached.here(kept / "model.pt")).panorama_share:  # panoramas were never trained on
        copy_whole(kept / "model.pt", folder / "model.pt")
        return {}
    how = asked_as(experiment, verified=experiment.curriculum.verified)
    share = weigh_query(kept, folder, projected, machines, how=how)
    logger.info("a query is %.0f %% panorama, the rest bird's-eye view, as far as decoys tell", 100 * share)
    return {"panorama_share": share}


def _labels_of(index: int, folder: Path, settings: Curriculum) -> Path:
    return folder / f"round_{index if settings.relabel else 0:02d}" / "pairs.parquet"


def write_labels(
    found: Matches, path: Path, index: int, train: Path, experiment: Experiment, known: Pairs | None = None
) -> None:
    """Decide which matches are pseudo-labels of this round, and publish all of them with the verdict.

    The table says of every query its best reference, whether this is a decoy (the mirror image of that tile), and what
    the label counts; its metadata what share of the labels is right, as far as the decoys tell.

    Args:
        path: the table to write.
        index: of the round, from 0.
        train: folder of the training images.
        known: pairs that the job was told.
    """
    settings = experiment.curriculum
    queries, references = ImageStore(train / "queries").ids, ImageStore(train / "references").ids
    weight = label_weights(found, len(references), index, settings)
    decoy = found.reference >= len(references)
    label = (weight > 0) & ~decoy
    if known is not None:
        label &= undecided(found, known.query, known.reference, reciprocal=settings.reciprocal)
    judged: Estimate | None = None
    metadata, said = {}, ""
    if settings.labels == "judged":
        counts = {"references": len(references), "decoys": len(references)}
        judged = estimated_precision(int(label.sum()), int((decoy & (weight > 0)).sum()), **counts)
        metadata = {"precision": json.dumps(asdict(judged))}
        said = f", {percent(judged)} of them right as far as decoys tell"
    logger.info(
        "round %d: %d of %d queries labelled (%d mutual)%s",
        index + 1,
        label.sum(),
        len(label),
        (found.mutual & ~decoy).sum(),
        said,
    )
    if judged is not None and not judged.low:
        logger.warning("round %d: its labels may all be wrong, as far as decoys tell", index + 1)
    table = pa.table(
        {
            "query_id": queries[found.query],
            "reference_id": references[found.reference % len(references)],
            "score": found.score,
            "margin": found.margin,
            "reference_margin": found.reference_margin,
            "mutual": found.mutual & ~decoy,
            "decoy": decoy,
            "weight": weight,
            "label": label,
        },
        metadata=metadata,
    )
    if found.heading_deg is not None:
        table = table.append_column("heading_deg", pa.array(found.heading_deg))
    write_table(path, table)


def judged_precision(table: pa.Table) -> Estimate | None:
    """What share of a round's labels is right, as far as decoys told when they were made; None where none were."""
    told = (table.schema.metadata or {}).get(b"precision")
    return json_as(Estimate, told, "the verdict in a pairs.parquet") if told else None


def in_doubt(table: pa.Table) -> bool:
    """Whether a round's labels may all be wrong, as far as decoys told when they were made."""
    precision = judged_precision(table)
    return precision is not None and not precision.low


def _cannot_learn(table: pa.Table, index: int) -> str:
    label, decoy, weight = (np.array(table[name]) for name in ("label", "decoy", "weight"))
    return (
        f"round {index + 1} found {label.sum()} labels on tiles, and {(decoy & (weight > 0)).sum()} on mirror images "
        f"of tiles, which are nobody's, among {len(label)} queries: no better than chance. The run stops, as it would "
        "learn its own mistakes. Either the two views do not show the same places, or the bird's-eye views do not look "
        "as the tiles do: `ucvgl doctor NAME ROOT --geometry 500` estimates crop, scale and heading"
    )


def judged_share(table: pa.Table) -> float:
    """What share of the training queries has a right label as far as decoys tell; without them, a mutual match."""
    precision = judged_precision(table)
    if precision is None:
        return float(np.mean(table["mutual"]))
    return precision.value * float(np.mean(table["label"]))


def label_weights(found: Matches, references: int, index: int, settings: Curriculum) -> Float[np.ndarray, " q"]:
    """What every query's best match would count as a label, 0 for none; those on decoys are treated alike.

    Args:
        found: matches with references, numbered from 0, and with as many decoys after them.
    """
    candidate = eligible(found, mutual=settings.mutual)
    if settings.labels == "margin":
        threshold = margin_threshold(index, settings.rounds, first=settings.min_margin, final=settings.final_margin)
        return (candidate & (found.margin >= threshold)).astype(float)
    weight = np.zeros(len(candidate))
    margin, on_decoy = found.margin[candidate], found.reference[candidate] >= references
    weight[candidate] = right_probability(margin, on_decoy, references=references, decoys=references)
    return np.where(weight >= settings.min_probability, weight, 0.0)
