"""How a trial ended, as its run tells it: the same whether it ended now or before an interruption."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ucvgl.files.plain import MOST_IN_RECORD, read_plain
from ucvgl.run.metrics import read_metrics
from ucvgl.run.record import DONE, FAILURE, Record, read_record
from ucvgl.run.run_dir import cause
from ucvgl.sweep.home import Home
from ucvgl.sweep.space import Trial


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        judged: recall on the validation images as far as decoys tell, if it came to its end; else the share of right
            labels on the training images in the last round it reached, NaN where it reached none.
        rounds: that it reached.
        error: why it failed; empty when it did not.
        finished: whether it came to its end, rather than being stopped early.
    """

    number: int
    judged: float
    rounds: int
    error: str
    finished: bool


def outcome_of(sweep: Home, trial: Trial) -> Outcome:
    """What the run of a trial says of it, where the sweep lies."""
    with sweep.told_by(trial.number) as told:
        return outcome_in(told, trial)


def outcome_in(run: Path, trial: Trial) -> Outcome:
    """What the folder of a run says of its trial."""
    done = read_record(run / "6_evaluate" / DONE)
    if done is not None:
        return Outcome(trial.number, _judged(run, done), trial.experiment.curriculum.rounds, "", True)
    failure = run / FAILURE
    error = cause(read_plain(failure, MOST_IN_RECORD).decode("utf-8", "replace")) if failure.exists() else ""
    judged = judged_of_rounds(run)
    last = max(judged, default=0)
    return Outcome(trial.number, judged.get(last, math.nan), last, error, False)


def judged_of_rounds(run: Path) -> dict[int, float]:
    """Number of rounds -> share of right labels after so many, as judged; a round done twice counts as done last."""
    rows = [(row.get("step"), row.get("judged")) for row in read_metrics(run)]
    return {step: judged for step, judged in rows if isinstance(step, int) and step and isinstance(judged, float | int)}


def _judged(run: Path, done: Record) -> float:
    judged = done.summary.get("judged", math.nan)
    if not isinstance(judged, float | int):
        told = f"{run / '6_evaluate' / DONE} is damaged: {judged!r} is no number"
        raise ValueError(f"{told}; remove {run}, and the same command makes it anew")
    return judged
