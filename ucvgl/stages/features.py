"""Descriptors of the whole corpus by a frozen model, made once (EM-CVGL)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ucvgl.distributed.machines import Crew
from ucvgl.networks.frozen import FROZEN, frozen_size
from ucvgl.networks.towers import VIEWS, View
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.run.before import labels_seen
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import BACK
from ucvgl.training.freeze import freeze
from ucvgl.training.frozen_features import Features


def features(folder: Path, *, projected: Path, experiment: Experiment, machines: Crew) -> dict[str, Any]:
    """Write `frozen.pt` and `<split>/{query,reference}/part-*.npy` into `folder`.

    Folders are named by the kind of image: in the pools for the question the other way round, what asks is a
    `reference` here.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        machines: who trains, embeds and matches.
    """
    settings = experiment.adaptation
    stores = {split.name: _stores(split, experiment) for split in sorted(projected.iterdir()) if split.is_dir()}
    if not (folder / FROZEN).exists():
        machines.run(
            freeze,
            folder=folder,
            adaptation=settings,
            model=experiment.model,
            stores=[stores["train"][view] for view in VIEWS],
            seed=experiment.seed,
        )
    jobs = [
        EmbedJob((Look(*some),), folder / FROZEN, folder / split / view, settings.turns)
        for split, both in stores.items()
        for view, some in both.items()
    ]
    machines.embed(jobs)
    dimension = read_features(folder, "train", experiment)["query"].dimension
    images = sum(len(Features(parts_of(job.folder))) for job in jobs)
    said: dict[str, Any] = {"images": images, "dimension": dimension, "frozen": frozen_size(folder / FROZEN)}
    return said | ({"from": settings.source, "labels_seen": labels_seen(settings.source)} if settings.source else {})


def read_features(folder: Path, split: str, experiment: Experiment) -> dict[View, Features]:
    """The frozen descriptors of one split, by kind of image."""
    turns = experiment.adaptation.turns
    return {view: Features(parts_of(folder / split / view), turns=turns) for view in VIEWS}


def _stores(split: Path, experiment: Experiment) -> dict[View, tuple[Path, View]]:
    """Where the images of each kind lie, and which encoder sees them."""
    one = experiment.adaptation.towers == "one"
    asked, searched = split / ("bev" if one else "queries"), split / "references"
    if split.name == BACK:
        asked, searched = searched, asked
    return {"query": (asked, "reference" if one else "query"), "reference": (searched, "reference")}
