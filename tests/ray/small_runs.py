"""Runs without training, for tests of sweeps: importable by the processes of their trials."""

from __future__ import annotations

from pathlib import Path

import ray
from one_job import wait_until

from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.sweep.home import Home
from ucvgl.sweep.space import Trial


def agree(run: RunDir, experiment: Experiment) -> str:
    """A judgement that peaks at a margin of 0.05 and grows with the rounds.

    Above 0.5 the run fails by a mistake, at 0.31 its first attempt by an accident.
    """
    margin = experiment.curriculum.min_margin
    tried = run.path / "tried"
    tried.rename(run.path / "tried_again") if tried.exists() else tried.touch()
    if margin > 0.5:
        raise ValueError(f"curriculum.min_margin {margin} leaves no label")
    final = 0.9 - abs(margin - 0.05)

    def build(folder: Path) -> dict[str, float]:
        if margin == 0.31 and tried.exists():
            raise RuntimeError("the training workers died")
        with (run.path / "built").open("a") as file:
            file.write("x")
        for index in range(experiment.curriculum.rounds):
            run.log(stage="curriculum", step=index, judged=final * (index + 1) / (experiment.curriculum.rounds + 1))
        return {"judged": final}

    run.make("6_evaluate", build, settings={"margin": margin})
    return ""


def agree_on_most_cpus(run: RunDir, experiment: Experiment) -> str:
    """The same, with an actor that needs most CPUs: the next trial's starts when this one's has ended.

    Trials ask for it in their order, whichever process was first: what a scheduler stops depends on that.
    """
    number = int(run.path.name)
    wait_until(lambda: not number or (trial_folder(run.path.parents[1], number - 1) / "has_room").exists())
    cpus = int(ray.cluster_resources()["CPU"]) // 2 + 1
    actor = ray.remote(num_cpus=cpus, scheduling_strategy="SPREAD")(Nothing).remote()
    ray.get(actor.__ray_ready__.remote())
    (run.path / "has_room").touch()
    return agree(run, experiment)


class Nothing:
    """An actor that only takes room."""


def share_nothing(sweep: Home, trial: Trial) -> None: ...


def trial_folder(sweep: Path, number: int) -> Path:
    return Home(str(sweep)).trial(number).folder
