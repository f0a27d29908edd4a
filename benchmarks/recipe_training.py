"""Trains one recipe in a folder, stage by stage as the jobs do: without labels, with some, or on true pairs alone."""

from __future__ import annotations

from pathlib import Path

from in_process import InProcess

from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed
from ucvgl.stages.cold_start import cold_start
from ucvgl.stages.curriculum import curriculum
from ucvgl.stages.labels import labels
from ucvgl.stages.supervised import supervised
from ucvgl.stages.translate import translate
from ucvgl.training.loop import Log

STAGES = ("2_labels", "3_translate", "4_cold_start", "5_curriculum", "6_evaluate")
"""Folders of a row that are its own; its images are those of the world."""


def train(row: str, experiment: Experiment, folder: Path, *, machines: InProcess, log: Log, base: Path) -> str:
    """Train what a row is about; why it stopped early, if it did.

    Args:
        row: of `recipe_rows.ROWS`: `supervised` and `fine_tuned` are told true pairs alone, a row that names a
            `supervision.label_fraction` is told some beside what it finds.
        folder: with `1_catalog` and `2_project`.
        machines: who trains, embeds and matches.
        log: takes the rows of the training's numbers.
        base: folder of the row `default`, which `fine_tuned` goes on from.
    """
    projected, translated, cold, trained = (folder / name for name in ("2_project", *STAGES[1:4]))
    inputs = {"projected": projected, "machines": machines}
    if row in ("supervised", "fine_tuned"):
        start = {"supervision.start": str(base / "5_curriculum")} if row == "fine_tuned" else {}
        cold_start(cold, translated=None, experiment=changed(experiment, start), **inputs)
        told = changed(experiment, _as_many_steps(experiment))
        how = {"catalogs": folder / "1_catalog", "labels": _tell(folder, told), "cold": cold, "log": log}
        supervised(trained, experiment=told, **how, **inputs)
        return ""
    known = {"labels": _tell(folder, experiment)} if experiment.supervision.label_fraction else {}
    translate(translated, experiment=experiment, **inputs)
    cold_start(cold, translated=translated, experiment=experiment, **inputs, **known)
    try:
        curriculum(trained, translated=translated, cold=cold, experiment=experiment, log=log, **inputs, **known)
    except ValueError as error:  # it says that it cannot learn; what it had until then is evaluated
        return str(error)
    return ""


def _tell(folder: Path, experiment: Experiment) -> Path:
    """Write the true pairs that a row may see."""
    labels(folder / "2_labels", catalogs=folder / "1_catalog", experiment=experiment)
    return folder / "2_labels"


def _as_many_steps(experiment: Experiment) -> dict[str, object]:
    """True pairs in three rounds of as many steps as those without labels, and no hard negatives."""
    rounds = experiment.curriculum
    return {
        "supervision.hard_negatives": False,
        "curriculum.rounds": 3,
        "curriculum.epochs_per_round": -(-rounds.rounds // 3),
        "curriculum.round_steps": -(-rounds.rounds * rounds.round_steps // 3),
    }
