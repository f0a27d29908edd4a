"""Trials of a sweep by Ray Tune: each is a run of its own, that shares what the trials have in common."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from ucvgl.atomic import write_whole
from ucvgl.distributed.cluster import placed
from ucvgl.distributed.placement import Placement
from ucvgl.log import start_logging
from ucvgl.run.ending import trace
from ucvgl.run.record import FAILURE
from ucvgl.run.run_dir import RunDir, StageError, cause
from ucvgl.settings.experiment import Experiment
from ucvgl.sweep.outcome import Outcome, judged_of_rounds, outcome_of
from ucvgl.sweep.space import Space, Trial, trial_folder

log = logging.getLogger(__name__)

Work = Callable[[RunDir, Experiment], str]
TRIAL_CPUS = 0.01
"""A trial itself only waits; what it starts asks for its own."""
CPUS_OF_A_TRIAL = 2
"""Where there is no GPU and nobody says how many."""


PATIENCE_S = 120
"""How long the processes of a sweep that was killed may outlive it and hold on to their trials."""


def run_trials(
    trials: Sequence[Trial], folder: Path, work: Work, prepare: Callable[[Path, Trial], None], space: Space
) -> list[Outcome]:
    """Run every trial in `folder/trials/<number>`; finished ones are not done again.

    A scheduler hears their rounds once more, so that it judges the others as before; without one they are left alone.

    Args:
        work: does one run; it must be importable.
        prepare: called with the trial's folder first, to link what is there already.
    """
    folder = folder.resolve()
    left = [trial for trial in trials if space.scheduler != "none" or not outcome_of(folder, trial).finished]
    crashed = _run(left, folder, work, prepare, space) if left else {}
    outcomes = [outcome_of(folder, trial) for trial in trials]
    return [
        replace(outcome, error=crashed[outcome.number])
        if outcome.number in crashed and not outcome.finished
        else outcome
        for outcome in outcomes
    ]


def _run(
    trials: Sequence[Trial], folder: Path, work: Work, prepare: Callable[[Path, Trial], None], space: Space
) -> dict[int, str]:
    """Errors by number of the trials that ended by one, twice."""
    trials = [replace(trial, experiment=on_its_share(trial.experiment)) for trial in trials]
    arguments = {"trials": trials, "folder": str(folder), "work": work, "prepare": prepare}
    at_once = trials_at_once(placed(trials[0].experiment.resources), ray.cluster_resources())
    log.info("%d trials, %d at a time", len(trials), min(at_once, len(trials)))
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, **arguments), {"CPU": TRIAL_CPUS}),
        param_space={"number": tune.grid_search([trial.number for trial in trials])},
        tune_config=tune.TuneConfig(scheduler=_scheduler(space, trials), max_concurrent_trials=at_once),
        run_config=tune.RunConfig(
            name="ray_tune",
            storage_path=str(folder),
            verbose=0,
            callbacks=[Spoken(folder, trials)],
            failure_config=tune.FailureConfig(max_failures=1),
        ),
    )
    return {(result.config or {})["number"]: cause(result.error) for result in tuner.fit() if result.error}


def run_trial(
    config: Mapping[str, Any], *, trials: Sequence[Trial], folder: str, work: Work, prepare: Callable
) -> None:
    """One trial, in a process of its own; reports what the judge says of every round.

    The rounds of an earlier attempt are reported again: a scheduler judges as if there had been no interruption.
    A mistake, which a second attempt would not mend, is written down and is no error here: an error is tried again.

    Args:
        config: what Ray Tune knows of the trial, its number.
        folder: of the sweep; each trial has one in it.
        work: the method, as `ucvgl.methods.ucvgl.unsupervised`.
        prepare: links what the trials have in common into the trial's folder.
    """
    start_logging()
    logging.getLogger().setLevel(logging.WARNING)
    trial = next(some for some in trials if some.number == config["number"])
    path = trial_folder(Path(folder), trial.number)
    told: set[int] = set()

    def heard(numbers: Mapping[str, Any]) -> None:
        if "judged" in numbers and numbers["step"] and numbers["step"] not in told:
            told.add(numbers["step"])
            tune.report({"judged": numbers["judged"], "round": numbers["step"]})

    run = RunDir(path, trial.experiment, heard=heard)
    _wait_for(run)
    with run:
        (path / FAILURE).unlink(missing_ok=True)
        prepare(path, trial)
        for step, judged in sorted(judged_of_rounds(path).items()):
            heard({"step": step, "judged": judged})
        try:
            if not outcome_of(Path(folder), trial).finished:
                work(run, trial.experiment)
        except (StageError, ValueError) as error:
            if not isinstance(error.__cause__ or error, ValueError):
                raise
            write_whole(path / FAILURE, trace(error))


def _wait_for(run: RunDir) -> None:
    """Have the folder for ourselves; an earlier sweep's process may still be at work there.

    Raises:
        ValueError: it does not end.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return run.lock()
        except ValueError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def on_its_share(experiment: Experiment) -> Experiment:
    """With one worker where the settings leave that open, so that as many trials as possible run side by side."""
    resources = experiment.resources
    gpus = ray.cluster_resources().get("GPU", 0)
    share = {
        "workers": resources.workers or 1,
        "worker_cpus": resources.worker_cpus or (0 if gpus else CPUS_OF_A_TRIAL),
        "image_cpus": resources.image_cpus or CPUS_OF_A_TRIAL,
    }
    return replace(experiment, resources=replace(resources, **share))


def trials_at_once(placement: Placement, cluster: Mapping[str, float]) -> int:
    """How many trials the cluster can hold: Ray does not reserve what a trial is going to start."""
    needed = {"CPU": max(placement.workers * placement.cpus, placement.image_cpus) + TRIAL_CPUS}
    needed["GPU"] = placement.workers * placement.gpus
    return max(1, min(int(cluster.get(name, 0) / amount) for name, amount in needed.items() if amount))


class Spoken(TrialProgressCallback):
    """Says how the trials fare, in place of Tune's own lines."""

    def __init__(self, folder: Path, trials: Sequence[Trial]) -> None:
        super().__init__()
        self._folder, self._trials = folder, {trial.number: trial for trial in trials}
        self._ended = 0

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **_: Any) -> None:
        """Log what share of right labels a trial has reached after a round."""
        if "judged" in result:
            told = trial.config["number"], result["judged"], result["round"]
            log.info("trial %03d: judged %.3f after round %d", *told)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Log how a trial has ended, as its folder tells it."""
        self._ended += 1
        outcome = outcome_of(self._folder, self._trials[trial.config["number"]])
        if outcome.error:
            log.warning("trial %03d failed: %s (%d/%d trials ended)", outcome.number, outcome.error, self._ended,
                        len(self._trials))  # fmt: skip
            return
        how = "done" if outcome.finished else "stopped early"
        log.info("trial %03d: %s, judged %.3f after round %d (%d/%d trials ended)", outcome.number, how,
                 outcome.judged, outcome.rounds, self._ended, len(self._trials))  # fmt: skip

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Log that a trial's process has died."""
        self._ended += 1
        log.warning("trial %03d crashed (%d/%d trials ended)", trial.config["number"], self._ended, len(self._trials))


def _scheduler(space: Space, trials: Sequence[Trial]) -> TrialScheduler:
    judged = {"metric": "judged", "mode": "max", "time_attr": "round", "grace_period": space.patience_rounds}
    if space.scheduler == "asha":
        most = max(trial.experiment.curriculum.rounds for trial in trials)
        return AsyncHyperBandScheduler(max_t=max(most, space.patience_rounds + 1), reduction_factor=2, **judged)
    return MedianStoppingRule(**judged) if space.scheduler == "median" else FIFOScheduler()
