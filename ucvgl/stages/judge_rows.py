"""Which adapter is the result: the one that the judge believes to find most, told without labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ucvgl.atomic import write_whole
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.parts import read_part
from ucvgl.files.plain import json_as
from ucvgl.networks.adapter import Adapter, load_adapter
from ucvgl.networks.frozen import FROZEN, load_frozen
from ucvgl.networks.towers import VIEWS, View
from ucvgl.programs.embedding import parts_of
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.retrieval.topk import Searcher
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import BACK
from ucvgl.stages.features import read_features
from ucvgl.training.closed_form import closed_form
from ucvgl.training.fit_adapter import fit_adapter
from ucvgl.training.frozen_features import Features
from ucvgl.training.judged_rows import Rows, best, judge
from ucvgl.training.loop import Log

MINIMUM_LABELS = 8
"""To train on."""
FEW = 1000
"""Images of a view: with fewer to train on, votes are the habit, as trained adapters overfit; else training is."""
ADAPTED = "adapted"
JUDGED = "judged.json"


@dataclass(frozen=True)
class Verdict:
    """The name of the result, and what the judge said of every row, both ways; nothing where it was not asked."""

    result: str
    judged: Mapping[str, tuple[Estimate, Estimate]]


def choose(
    folder: Path, labelled: list[Labels], *, described: Path, experiment: Experiment, machines: Crew, log: Log
) -> Verdict:
    """Ask the judge, unless the settings name the result, and write what it said into `folder`.

    Every adapter is made again without a quarter of the training images: what needs no training from the others, what
    was trained from the labels between the others.

    Args:
        folder: of the stage that trained.
        labelled: the labels of every round.
        described: folder of `3_features`.
    """
    settings, train = experiment.adaptation, read_features(described, "train", experiment)
    if settings.result != "judged":
        verdict = Verdict(settings.result, {})
    else:
        splits = [split for split in ("validation", BACK) if (described / split).exists()]
        pools = [read_features(described, split, experiment) for split in splits]
        work = folder / "judge"
        search = partial(machines.search, folder=work / "search")

        def make(left_out: Rows, fold: int) -> dict[str, Adapter]:
            log(stage="judge", step=fold, left_out=len(left_out["reference"]))
            rows = untrained(rest(train, left_out), described, experiment, search)
            start, others = folder / "start", [without(labels, left_out) for labels in labelled]
            if min(map(len, others), default=0) < MINIMUM_LABELS:
                return rows
            for index, labels in enumerate(others):
                into = work / f"{fold}_{index:02d}"
                into.mkdir(parents=True, exist_ok=True)
                machines.run(
                    fit_adapter, folder=into, start=start, labels=labels, name=f"judge_{fold}_{index:02d}",
                    features=tuple(parts_of(described / "train" / view) for view in VIEWS), settings=settings,
                    seed=experiment.seed * 1000 + index, span=(index / len(labelled), (index + 1) / len(labelled)),
                )  # fmt: skip
                start = into
            return rows | {ADAPTED: load_adapter(start / "adapter.pt").eval()}

        judged = judge(train, (pools[0], pools[-1]), make, seed=experiment.seed)
        few = min(len(some) for some in train.values()) < FEW
        verdict = Verdict(best(judged, "voted" if few or not labelled else ADAPTED), judged)
        cached.remove(work)
    said = {name: [vars(way) for way in ways] for name, ways in verdict.judged.items()}
    write_whole(folder / JUDGED, json.dumps({"result": verdict.result, "judged": said}, indent=1) + "\n")
    return verdict


def read_verdict(folder: Path) -> Verdict:
    """What `choose` wrote."""
    return json_as(Verdict, read_part(folder / JUDGED), folder / JUDGED)


def untrained(
    features: Mapping[View, Features], described: Path, experiment: Experiment, search: Searcher
) -> dict[str, Adapter]:
    """What needs no training, made from some of the descriptors of the training images.

    Args:
        features: these, of each view.
        described: folder of `3_features`, whose network says of which parts a descriptor is made.
        search: finds which queries are alike.
    """
    settings = experiment.adaptation
    return closed_form(
        features,
        parts=load_frozen(described / FROZEN).encoder("reference").parts,
        shared=settings.reciprocal,
        neighbours=settings.neighbours if settings.strategy == "groups" else 0,
        search=search,
    )


def rest(features: Mapping[View, Features], left_out: Rows) -> dict[View, Features]:
    """The training images that were not left out."""
    return {view: some.only(np.setdiff1d(np.arange(len(some)), left_out[view])) for view, some in features.items()}


def without(labels: Labels, left_out: Rows) -> Labels:
    """The labels that name no image that was left out."""
    kept = ~np.isin(labels.query, left_out["query"]) & ~np.isin(labels.reference, left_out["reference"])
    alike = labels.alike[~np.isin(labels.alike, left_out["query"]).any(axis=1)]
    columns = {name: getattr(labels, name)[kept] for name in ("query", "reference", "weight")}
    return replace(labels, **columns, alike=alike)

