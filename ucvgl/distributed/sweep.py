"""Trials of a sweep by Ray Tune: each is a run of its own, that shares what the trials have in common."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from ucvgl.config import Experiment, Resources
from ucvgl.distributed.cluster import cpus_at_once, gpus_at_once
from ucvgl.log import start_logging
from ucvgl.run import RunDir, cause
from ucvgl.sweep.space import Space, Trial, trial_folder

log = logging.getLogger(__name__)

Work = Callable[[RunDir, Experiment], str]
TRIAL_CPUS = 0.01
"""A trial itself only waits; what it starts asks for its own."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        agreement: of the last round it reached; NaN where it failed before any.
        rounds: that it reached.
        error: why it failed; empty when it did not.
        finished: whether it came to its end, rather than being stopped early.
    """

    number: int
    agreement: float
    rounds: int
    error: str
    finished: bool


def run_trials(
    trials: Sequence[Trial], folder: Path, work: Work, prepare: Callable[[Path, Trial], None], space: Space
) -> list[Outcome]:
    """Run every trial in `folder/trials/<number>`; finished ones are done again in no time.

    Args:
        work: does one run; it must be importable.
        prepare: called with the trial's folder first, to link what is there already.
    """
    arguments = {"trials": list(trials), "folder": str(folder.resolve()), "work": work, "prepare": prepare}
    at_once = trials_at_once(trials[0].experiment.resources, ray.cluster_resources())
    log.info("%d trials, %d at a time", len(trials), min(at_once, len(trials)))
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, **arguments), {"CPU": TRIAL_CPUS}),
        param_space={"number": tune.grid_search([trial.number for trial in trials])},
        tune_config=tune.TuneConfig(scheduler=_scheduler(space, trials), max_concurrent_trials=at_once),
        run_config=tune.RunConfig(
            name="ray_tune",
            storage_path=str(folder.resolve()),
            verbose=0,
            callbacks=[Spoken(len(trials))],
            failure_config=tune.FailureConfig(max_failures=1),
        ),
    )
    outcomes = {}
    for result in tuner.fit():
        numbers = result.metrics or {}
        number = int((result.config or numbers.get("config", {}))["number"])
        outcomes[number] = Outcome(
            number,
            float(numbers.get("agreement", math.nan)),
            int(numbers.get("round", 0)),
            cause(result.error) if result.error else "",
            bool(numbers.get("finished")),
        )
    return [outcomes[trial.number] for trial in trials]


def run_trial(
    config: Mapping[str, Any], *, trials: Sequence[Trial], folder: str, work: Work, prepare: Callable
) -> None:
    """One trial, in a process of its own; reports the agreement of every round."""
    start_logging()
    logging.getLogger().setLevel(logging.WARNING)
    trial = next(some for some in trials if some.number == config["number"])
    path = trial_folder(Path(folder), trial.number)
    prepare(path, trial)
    rounds = trial.experiment.curriculum.rounds

    def heard(numbers: Mapping[str, Any]) -> None:
        if "agreement" in numbers and numbers["step"]:
            tune.report({"agreement": numbers["agreement"], "round": numbers["step"], "finished": False})

    with RunDir(path, trial.experiment, heard=heard) as run:
        work(run, trial.experiment)
        summary = run.summary("6_evaluate")
    tune.report({"agreement": summary["agreement"], "round": rounds, "finished": True})


def trials_at_once(resources: Resources, cluster: Mapping[str, float]) -> int:
    """How many trials the cluster can hold: Ray does not reserve what a trial is going to start."""
    needed = {"CPU": cpus_at_once(resources) + 1 + TRIAL_CPUS}
    if cluster.get("GPU"):
        needed["GPU"] = gpus_at_once(resources)
    return max(1, min(int(cluster.get(name, 0) / amount) for name, amount in needed.items() if amount))


class Spoken(Callback):
    """Says how the trials fare."""

    def __init__(self, count: int) -> None:
        self._count, self._ended = count, 0

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **_: Any) -> None:
        if not result.get("finished"):
            log.info("trial %03d: agreement %.3f after round %d", *(_numbers(trial, result)))

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        self._ended += 1
        number, agreement, rounds = _numbers(trial, trial.last_result)
        how = "done" if trial.last_result.get("finished") else "stopped early"
        log.info("trial %03d: %s, agreement %.3f after round %d (%d/%d trials ended)", number, how, agreement, rounds,
                 self._ended, self._count)  # fmt: skip

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        log.warning("trial %03d failed", trial.config["number"])


def _numbers(trial: Any, result: Mapping[str, Any]) -> tuple[int, float, int]:
    return trial.config["number"], float(result.get("agreement", math.nan)), int(result.get("round", 0))


def _scheduler(space: Space, trials: Sequence[Trial]) -> TrialScheduler:
    judged = {"metric": "agreement", "mode": "max", "time_attr": "round", "grace_period": space.patience_rounds}
    if space.scheduler == "asha":
        most = max(trial.experiment.curriculum.rounds for trial in trials)
        return AsyncHyperBandScheduler(max_t=max(most, space.patience_rounds + 1), reduction_factor=2, **judged)
    return MedianStoppingRule(**judged) if space.scheduler == "median" else FIFOScheduler()
