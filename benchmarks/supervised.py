"""The row to compare with: the same encoders and the same training, on true pairs. Only a benchmark may do this."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ucvgl.config import Experiment
from ucvgl.contrast.batches import Pairs
from ucvgl.contrast.fit import fit_towers
from ucvgl.data.image_store import ImageStore
from ucvgl.distributed.machines import Machines
from ucvgl.metrics import read_metrics
from ucvgl.plan import unsupervised
from ucvgl.retrieval.truth import read_truth, true_rows
from ucvgl.run import RunDir
from ucvgl.stages.evaluate import evaluate


def supervised(run: RunDir, experiment: Experiment, full: Path) -> tuple[Path, Path]:
    """Train on the true pairs for as many steps as the full run's encoders had; the folders of training and evaluation.

    Begins with the full run's encoders after intra-view contrast, which needs no pairs. From scratch the same steps
    may end at chance: on one machine the loss never left its plateau.

    Args:
        run: holds the catalog and the projected images already.
    """
    projected, steps = run.path / "2_project", encoder_steps(full)
    begin = full / "4_cold_start" / "intra"
    curriculum = {stage.name: stage.settings for stage in unsupervised(experiment)}["5_curriculum"]
    with Machines(run.path, experiment.resources, run.log) as machines:
        build = partial(
            _train, projected=projected, begin=begin, steps=steps, experiment=experiment, machines=machines
        )
        settings = {**curriculum, "steps": steps, "begin": "intra"}
        trained = run.make("3_supervised", build, settings=settings, inputs=["2_project"])
        made = {"projected": projected, "cold": trained / "start", "trained": trained}
        scored = run.make(
            "4_evaluate",
            partial(evaluate, **made, experiment=experiment, machines=machines),
            settings={},
            inputs=["2_project", "3_supervised"],
        )
    return trained, scored


def encoder_steps(run: Path) -> int:
    """Training steps, after intra-view contrast, of the cold start and of all rounds of a finished run."""
    steps = {row["stage"]: row["steps"] for row in read_metrics(run) if "steps" in row}
    return sum(count for stage, count in steps.items() if stage.startswith(("cold_start_cross", "round_")))


def _train(
    folder: Path, *, projected: Path, begin: Path, steps: int, experiment: Experiment, machines: Machines
) -> dict[str, Any]:
    train = projected / "train"
    queries, references = ImageStore(train / "queries"), ImageStore(train / "references")
    truth = read_truth(experiment.dataset, "train")
    if truth is None:
        raise ValueError(f"{experiment.dataset.root} has no true pairs to train on; leave the row `supervised` out")
    rows = true_rows(truth, queries.ids, references.ids)
    known = np.flatnonzero(rows >= 0)
    pairs = Pairs(
        "true",
        ("query", "reference"),
        (queries.folder, references.folder),
        known,
        rows[known],
        experiment.curriculum.label_smoothing,
    )
    start, into = folder / "start", folder / "round_00"
    into.mkdir(exist_ok=True)
    shutil.copytree(begin, start, dirs_exist_ok=True)
    epochs = max(1, round(steps * experiment.contrast.batch / len(known)))
    machines.trainer.run(
        fit_towers,
        folder=into,
        start=start,
        sources=[pairs],
        name="supervised",
        epochs=epochs,
        settings=experiment.contrast,
        seed=experiment.seed * 1000,
    )
    return {"epochs": epochs, "true_pairs": len(known)}
