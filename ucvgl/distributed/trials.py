"""Trials of a sweep by Ray Tune: each is a run of its own, that shares what the trials have in common."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from ucvgl.atomic import write_whole
from ucvgl.distributed.cluster import placed
from ucvgl.distributed.placement import Placement
from ucvgl.images.retries import StorageError
from ucvgl.log import start_logging
from ucvgl.run.ending import trace
from ucvgl.run.mirror import Mirror
from ucvgl.run.record import FAILURE
from ucvgl.run.run_dir import RunDir, StageError, cause
from ucvgl.run.stored import stored
from ucvgl.settings.experiment import Experiment
from ucvgl.sweep.home import Home
from ucvgl.sweep.outcome import Outcome, judged_of_rounds, outcome_in, outcome_of
from ucvgl.sweep.space import Space, Trial

log = logging.getLogger(__name__)

Work = Callable[[RunDir, Experiment], str]
TRIAL_CPUS = 0.01
"""A trial itself only waits; what it starts asks for its own."""
CPUS_OF_A_TRIAL = 2
"""Where there is no GPU and nobody says how many."""
MACHINES_LOST = 3
"""That a trial outlives whose run lies in a bucket; each costs what it did in the last seconds."""
PATIENCE_S = 120
"""How long the processes of a sweep that was killed may outlive it and hold on to their trials."""


def run_trials(
    trials: Sequence[Trial], sweep: Home, work: Work, prepare: Callable[[Home, Trial], None], space: Space
) -> list[Outcome]:
    """Run every trial in `trials/<number>` of a sweep; finished ones are not done again.

    A scheduler hears their rounds once more, so that it judges the others as before; without one they are left alone.

    Args:
        work: does one run; it must be importable.
        prepare: gives a trial what is there already, before it begins.
    """
    if not sweep.store:
        sweep = Home(str(sweep.folder.resolve()))
    left = [trial for trial in trials if space.scheduler != "none" or not outcome_of(sweep, trial).finished]
    crashed = _run(left, sweep, work, prepare, space) if left else {}
    outcomes = [outcome_of(sweep, trial) for trial in trials]
    return [
        replace(outcome, error=crashed[outcome.number])
        if outcome.number in crashed and not outcome.finished
        else outcome
        for outcome in outcomes
    ]


def _run(
    trials: Sequence[Trial], sweep: Home, work: Work, prepare: Callable[[Home, Trial], None], space: Space
) -> dict[int, str]:
    """Errors by number of the trials that ended by one, twice."""
    trials = [replace(trial, experiment=on_its_share(trial.experiment)) for trial in trials]
    arguments = {"trials": trials, "sweep": sweep, "work": work, "prepare": prepare}
    at_once = trials_at_once(placed(trials[0].experiment.resources), ray.cluster_resources())
    log.info("%d trials, %d at a time", len(trials), min(at_once, len(trials)))
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, **arguments), {"CPU": TRIAL_CPUS}),
        param_space={"number": tune.grid_search([trial.number for trial in trials])},
        tune_config=tune.TuneConfig(scheduler=_scheduler(space, trials), max_concurrent_trials=at_once),
        run_config=tune.RunConfig(
            name="ray_tune",
            storage_path=str(sweep.folder.absolute()),  # only this process writes there
            verbose=0,
            callbacks=[Spoken(sweep, trials)],
            failure_config=tune.FailureConfig(max_failures=MACHINES_LOST if sweep.store else 1),
        ),
    )
    return {(result.config or {})["number"]: cause(result.error) for result in tuner.fit() if result.error}


def run_trial(
    config: Mapping[str, Any], *, trials: Sequence[Trial], sweep: Home, work: Work, prepare: Callable
) -> None:
    """One trial, in a process of its own, on any machine; reports what the judge says of every round.

    The rounds of an earlier attempt are reported again: a scheduler judges as if there had been no interruption.
    A mistake, which a second attempt would not mend, is written down and is no error here: an error is tried again.

    Args:
        config: what Ray Tune knows of the trial, its number.
        sweep: where each trial has its run.
        work: the method, as `ucvgl.methods.ucvgl.unsupervised`.
        prepare: gives the trial what the trials have in common.
    """
    start_logging()
    logging.getLogger().setLevel(logging.WARNING)
    trial = next(some for some in trials if some.number == config["number"])
    path, store = sweep.trial(trial.number)
    rounds = Rounds()
    run = RunDir(path, trial.experiment, heard=rounds.hear)
    _wait_for(run)
    try:
        prepare(sweep, trial)
        with stored(run, store) as rounds.mirror:
            run.open()
            (path / FAILURE).unlink(missing_ok=True)
            for step, judged in sorted(judged_of_rounds(path).items()):
                rounds.hear({"step": step, "judged": judged})
            try:
                if not outcome_in(path, trial).finished:
                    work(run, trial.experiment)
            except (StageError, ValueError) as error:
                if not isinstance(error.__cause__ or error, ValueError):
                    raise
                write_whole(path / FAILURE, trace(error))
    finally:
        run.close()


class Rounds:
    """Reports every round of a trial once, when it is in the bucket, where whoever asks how a trial ended looks."""

    def __init__(self) -> None:
        self.mirror: Mirror | None = None
        self._told: set[int] = set()

    def hear(self, numbers: Mapping[str, Any]) -> None:
        """Report numbers of a run, if they are the judge's of a round."""
        step = numbers.get("step")
        if "judged" not in numbers or not step or step in self._told:
            return
        self._told.add(step)
        if self.mirror is not None:
            try:
                self.mirror.push()
            except (StorageError, OSError) as error:  # it comes with the next round, or at the end
                log.warning("%s was not brought up to date (%s)", self.mirror.uri, error)
        tune.report({"judged": numbers["judged"], "round": step})


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

    def __init__(self, sweep: Home, trials: Sequence[Trial]) -> None:
        super().__init__()
        self._sweep, self._trials = sweep, {trial.number: trial for trial in trials}
        self._ended = 0

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **_: Any) -> None:
        """Log what share of right labels a trial has reached after a round."""
        if "judged" in result:
            told = trial.config["number"], result["judged"], result["round"]
            log.info("trial %03d: judged %.3f after round %d", *told)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Log how a trial has ended, as its run tells it."""
        self._ended += 1
        outcome = outcome_of(self._sweep, self._trials[trial.config["number"]])
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
