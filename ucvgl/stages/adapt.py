"""Rounds of expectation and maximisation: label by the adapted descriptors, train the adapter on that (EM-CVGL)."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.files.tables import read_table, write_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.adapted import save_adapted
from ucvgl.networks.adapter import Adapter, save_adapter
from ucvgl.networks.frozen import FROZEN
from ucvgl.networks.towers import VIEWS
from ucvgl.programs.embedding import parts_of
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.mutual_matching import agreement, matches
from ucvgl.pseudo_labels.strategies import partners_needed, strategy
from ucvgl.retrieval.topk import Searcher
from ucvgl.run import columns
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.features import read_features
from ucvgl.stages.judge_rows import ADAPTED, MINIMUM_LABELS, choose, untrained
from ucvgl.training.closed_form import MOST_NUMBERS, MOST_PAIRS
from ucvgl.training.fit_adapter import adapt_features, fit_adapter
from ucvgl.training.loop import Log

logger = logging.getLogger(__name__)

ALIKE = "alike.parquet"


def adapt(
    folder: Path, *, projected: Path, described: Path, experiment: Experiment, machines: Crew, log: Log
) -> dict[str, Any]:
    """Write `round_XX/{pairs.parquet,alike.parquet,adapter.pt}` for every round into `folder`, and `model.pt`: the
    frozen model with the adapter that is the result, as `judged.json` says.

    `free/<name>/adapter.pt` is what needs no training.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        described: folder of `3_features`.
        machines: who trains, embeds and matches.
        log: takes the rows of `metrics.jsonl`.

    Raises:
        ValueError: what `adaptation.result` names cannot be computed from so many numbers or images.

    A finished round is kept; one that was broken off keeps its labels and resumes its training.
    """
    settings, train = experiment.adaptation, described / "train"
    start = folder / "start"
    adapter = new_adapter(read_features(described, "train", experiment), experiment)
    if not (start / "adapter.pt").exists():
        start.mkdir(exist_ok=True)
        save_adapter(adapter, start / "adapter.pt")
    labelled_rounds: list[Labels] = []
    for index in range(settings.rounds):
        into = folder / f"round_{index:02d}"
        into.mkdir(exist_ok=True)
        labelled = into / "pairs.parquet"
        if not labelled.exists():
            write_labels(*expect(start, into, train, index, experiment, machines), labelled, projected, experiment)
        found = read_labels(labelled, index)
        labelled_rounds.append(found)
        if not (into / "adapter.pt").exists():
            log(stage="adapt", step=index, labels=len(found))
            machines.run(
                fit_adapter,
                folder=into,
                start=start,
                features=tuple(parts_of(train / view) for view in VIEWS),
                labels=found,
                name=f"adapt_{index:02d}",
                settings=settings,
                seed=experiment.seed * 1000 + index,
                span=(index / settings.rounds, (index + 1) / settings.rounds),
            )
        start = into
    write_free(folder / "free", described, experiment, partial(machines.search, folder=folder / "search"))
    how = {"described": described, "experiment": experiment, "machines": machines, "log": log}
    name = choose(folder, labelled_rounds, **how).result
    result = start if name == ADAPTED else folder / "free" / name
    if not result.exists():
        raise ValueError(
            f"adaptation.result: {name} needs descriptors of at most {MOST_NUMBERS} numbers, and to vote or align at "
            f"most {MOST_PAIRS} pairs of a query and a tile to train on; leave it at judged, or say whitened or centred"
        )
    dataset = experiment.dataset
    save_adapted(
        folder / "model.pt",
        frozen=described / FROZEN,
        adapter=result / "adapter.pt",
        query_size=(dataset.panorama_height, dataset.panorama_width),
        reference_size=(dataset.tile_size, dataset.tile_size),
    )
    labels = len(labelled_rounds[-1]) if labelled_rounds else 0
    return {"rounds": settings.rounds, "labels_in_last_round": labels, "trained": adapter.trainable, "result": name}


def write_free(folder: Path, described: Path, experiment: Experiment, search: Searcher) -> None:
    """Write the adapters that need no training, `<name>/adapter.pt` for each.

    Args:
        folder: that of these.
        described: folder of `3_features`.
        search: finds which queries are alike.
    """
    for name, row in untrained(read_features(described, "train", experiment), described, experiment, search).items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        save_adapter(row, folder / name / "adapter.pt")


def new_adapter(features: dict, experiment: Experiment) -> Adapter:
    """The adapter before the first round, with the mean of each view over the training images."""
    torch.manual_seed(experiment.seed)
    settings = experiment.adaptation
    adapter = Adapter(features["query"].dimension, residual=settings.residual)
    if settings.residual:
        adapter.query_mean.copy_(torch.from_numpy(features["query"].mean()))
        adapter.reference_mean.copy_(torch.from_numpy(features["reference"].mean()))
    return adapter


def expect(
    start: Path, into: Path, train: Path, index: int, experiment: Experiment, machines: Crew
) -> tuple[Labels, float]:
    """The E-step over the whole corpus: labels, and the share of the queries that agree with their best reference.

    Args:
        start: folder of the adapter so far.
        into: folder of the round.
        train: folder of the frozen descriptors.
        index: of the round, from 0.
    """
    settings = experiment.adaptation
    run = partial(machines.run, adapt_features, adapter=start / "adapter.pt", turns=settings.turns)
    for view in VIEWS:
        run(folder=into / "scan" / view, parts=parts_of(train / view), view=view)
    parts = [parts_of(into / "scan" / view) for view in VIEWS]
    best = machines.match(*parts, folder=into / "scan", k=partners_needed(settings))
    queries, references = (np.concatenate([load_numbers(cached.here(part)) for part in some]) for some in parts)
    search = partial(machines.search, folder=into / "scan" / "alike")
    labels = strategy(settings, index, search)(queries, references, best)
    found = matches(best, reciprocal=settings.reciprocal)
    mutual = found.mutual.sum()
    logger.info("round %d: %d labels (%d of %d queries mutual)", index + 1, len(labels), mutual, len(queries))
    cached.remove(into / "scan")
    return labels, agreement(found)


def write_labels(labels: Labels, agreed: float, path: Path, projected: Path, experiment: Experiment) -> None:
    """Publish the labels of a round, by row and by id; before them the queries that are alike, as `alike.parquet`.

    Args:
        agreed: share of the matches that are mutual.
        path: the table to write.
        projected: folder of the training images, for their ids.
    """
    train = projected / "train"
    queries, references = ImageStore(train / "queries").ids, ImageStore(train / "references").ids
    table = pa.table(
        {
            "query": labels.query,
            "reference": labels.reference,
            "weight": labels.weight,
            "query_id": queries[labels.query],
            "reference_id": references[labels.reference],
            "label": np.ones(len(labels), bool),
        },
        metadata={"agreement": str(agreed)},
    )
    alike = pa.table({"one": labels.alike[:, 0], "other": labels.alike[:, 1]})
    for where, what in ((path.with_name(ALIKE), alike), (path, table)):
        write_table(where, what)


def read_labels(path: Path, index: int) -> Labels:
    """The labels that `write_labels` wrote.

    Raises:
        ValueError: too few to train on.
    """
    table = read_table(path, columns.ADAPTER_LABELS)
    if len(table) < MINIMUM_LABELS:
        raise ValueError(
            f"round {index + 1} found {len(table)} pseudo-labels, too few to train on; the frozen model does not tell "
            "the views of a place from others: try another layer or pooling, or lower adaptation.first_threshold"
        )
    alike = read_table(path.with_name(ALIKE), columns.ALIKE)
    return Labels(
        *(table[name].to_numpy() for name in ("query", "reference", "weight")),
        alike=np.stack([alike["one"].to_numpy(), alike["other"].to_numpy()], axis=1),
    )
