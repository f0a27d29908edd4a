"""Runs without training, for tests of sweeps: importable by the processes of their trials."""

from __future__ import annotations

from pathlib import Path

from ucvgl.config import Experiment
from ucvgl.run import RunDir
from ucvgl.sweep.space import Trial


def agree(run: RunDir, experiment: Experiment) -> str:
    """Agreement that peaks at a margin of 0.05 and grows with the rounds; above 0.5 the run fails."""
    margin = experiment.curriculum.min_margin
    if margin > 0.5:
        raise ValueError(f"curriculum.min_margin {margin} leaves no label")
    final = 0.9 - abs(margin - 0.05)

    def build(folder: Path) -> dict[str, float]:
        with (run.path / "built").open("a") as file:
            file.write("x")
        for index in range(experiment.curriculum.rounds):
            run.log(stage="curriculum", step=index, agreement=final * (index + 1) / (experiment.curriculum.rounds + 1))
        return {"agreement": final}

    run.make("6_evaluate", build, settings={"margin": margin})
    return ""


def link_nothing(path: Path, trial: Trial) -> None:
    path.mkdir(parents=True, exist_ok=True)
