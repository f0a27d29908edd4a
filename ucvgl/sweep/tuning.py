"""A sweep from command line to page: check, train what is common, try, compare."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ucvgl.atomic import write_whole
from ucvgl.commands.invocation import resolve
from ucvgl.files.owned import refuse_foreign, refuse_links_and_pipes
from ucvgl.log import start_logging
from ucvgl.methods import plan
from ucvgl.pages.sweep_page import Row, table, write_sweep_page
from ucvgl.run.ending import DONE, FAILED, MISTAKEN, Interrupted, ended
from ucvgl.run.lock import locked
from ucvgl.run.places import runs_folder
from ucvgl.run.record import as_json_holds
from ucvgl.run.run_dir import RunDir, StopRequested
from ucvgl.settings.dotted import Mistakes, differences, to_yaml
from ucvgl.settings.experiment import Experiment, Resources
from ucvgl.settings.yaml_door import read_tree
from ucvgl.stages.evaluate import read_recall, read_rounds
from ucvgl.sweep.share import common_stages, share_stages
from ucvgl.sweep.space import Space, Trial, draw, read_space, trial_folder

log = logging.getLogger(__name__)

USAGE = """usage: python jobs/tune.py SPACE [PRESET] [--run FOLDER] [--select-by judged|recall] [--SETTING VALUE ...]

SPACE is a file as in tune_spaces/. All else is as for jobs/unsupervised.py: preset, --config and flags are what the
trials have in common. The best setting is chosen by the recall on the validation images as the judge
estimates it, which needs no truth; --select-by recall chooses by the truth, for comparison.
The same command goes on where an interrupted sweep stopped."""


def main(argv: Sequence[str], work: Callable, *, run_trials: Callable, connect: Callable[[Resources], Any]) -> int:
    """Run a sweep; its exit code.

    Args:
        work: does one run.
        run_trials: runs all trials (`ucvgl.distributed.trials.run_trials`).
        connect: joins or starts the cluster.
    """
    start_logging()
    if not argv or "-h" in argv or "--help" in argv:
        print(USAGE)
        return DONE if argv else MISTAKEN
    return ended(partial(_run, list(argv), work, run_trials, connect), partial(log.error, "%s"))


def _run(argv: Sequence[str], work: Callable, run_trials: Callable, connect: Callable[[Resources], Any]) -> int:
    select_by, rest = _select_by(list(argv[1:]))
    invocation = resolve(rest)
    if invocation.store:
        raise Mistakes([f"--run {invocation.store}: a sweep lies in a local or mounted folder"])
    lock = None
    try:
        base = invocation.experiment
        space = read_space(Path(argv[0]), base)
        trials = draw(space, base)
        folder = Path(_value(rest, "--run") or runs_folder() / f"sweep_{Path(argv[0]).stem}")
        _remember(folder, space, base)
        lock = locked(folder)
        log.info("%d trials over %s, in %s", len(trials), ", ".join(space.settings), folder)
        connect(base.resources)
        start_logging()
        shared = _train_in_common(folder, base, trials, work)
        outcomes = run_trials(trials, folder, work, partial(_prepare, str(shared.resolve())), space)
    except (KeyboardInterrupt, SystemExit) as stop:
        told = "interrupted. The same command goes on; finished trials and rounds are kept"
        raise Interrupted(told, stop) from stop
    finally:
        if lock is not None:
            lock.release()
    rows = [_row(folder, trial, outcome) for trial, outcome in zip(trials, outcomes, strict=True)]
    best = best_of(rows, select_by)
    print(table(rows, best))
    page = write_sweep_page(folder / "sweep.html", folder.name, list(space.settings), rows, best, select_by)
    write_whole(folder / "results.json", json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(f"report: {page}")
    if best is None:
        print("no trial came to its end")
        return FAILED
    write_whole(folder / "best.yaml", to_yaml(trials[best].experiment))
    print(f"best by {select_by}: trial {best:03d}; python jobs/unsupervised.py --config {folder / 'best.yaml'}")
    return DONE


def best_of(rows: Sequence[Row], select_by: str) -> int | None:
    """The number of the finished trial with the highest recall, judged or true; the first one of equals."""
    value = {"judged": lambda row: row.judged, "recall": lambda row: row.r1}[select_by]
    finished = [row for row in rows if row.finished and value(row) is not None and not math.isnan(value(row))]
    return max(finished, key=lambda row: (value(row), -row.number)).number if finished else None


def _train_in_common(folder: Path, base: Experiment, trials: Sequence[Trial], work: Callable) -> Path:
    """A run with the stages that no trial changes."""
    shared = folder / "shared"
    names = common_stages(plan.unsupervised(base), [plan.unsupervised(trial.experiment) for trial in trials])
    log.info("in common: %s", ", ".join(names) or "nothing")
    if names:
        with RunDir(shared, base, stop_after=names[-1]) as run, suppress(StopRequested):
            work(run, base)
    return shared


def _prepare(shared: str, path: Path, trial: Trial) -> None:
    share_stages(Path(shared), path, plan.unsupervised(trial.experiment))


def _row(folder: Path, trial: Trial, outcome: Any) -> Row:
    scored = trial_folder(folder, trial.number) / "6_evaluate"
    recall = read_recall(scored)[0] if (scored / "recall.json").exists() else None
    last = read_rounds(scored, recall)[-1] if (scored / "rounds.parquet").exists() else None
    return Row(
        number=trial.number,
        changes=dict(trial.changes),
        judged=outcome.judged,
        rounds=outcome.rounds,
        finished=outcome.finished,
        error=outcome.error,
        r1=recall.r1 if recall else None,
        interval=(last["judged_low"], last["judged_high"]) if last else None,
    )


def _remember(folder: Path, space: Space, base: Experiment) -> None:
    """Write down what the sweep is, or refuse another one in its folder.

    Raises:
        ValueError: the folder holds another sweep, a link or a pipe.
    """
    now = as_json_holds({"space": asdict(space), "base": {**asdict(base), "resources": None}})
    file = folder / "sweep.yaml"
    refuse_links_and_pipes(folder, but=("ray_tune", "ray_train"))
    if file.exists():
        before = read_tree(file)
        changed = differences(before if isinstance(before, dict) else {}, now)
        if changed:
            name, old, new = changed[0]
            raise ValueError(
                f"{folder} holds another sweep ({name}: {old} -> {new}); name another folder with --run, or remove it"
            )
        return
    refuse_foreign(folder, (file.name,), "a sweep; name another folder with --run")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, yaml.safe_dump(now, sort_keys=False))


def _select_by(rest: list[str]) -> tuple[str, list[str]]:
    """The choice of `--select-by`, and the command line without it."""
    chosen = _value(rest, "--select-by") or "judged"
    if chosen not in ("judged", "recall"):
        raise Mistakes([f"--select-by {chosen}: write judged, or recall to choose by the truth"])
    kept, skip = [], False
    for token in rest:
        if token == "--select-by":
            skip = True
        elif skip:
            skip = False
        elif not token.startswith("--select-by="):
            kept.append(token)
    return chosen, kept


def _value(tokens: Sequence[str], flag: str) -> str | None:
    for place, token in enumerate(tokens):
        if token == flag and place + 1 < len(tokens):
            return tokens[place + 1]
        if token.startswith(f"{flag}="):
            return token.partition("=")[2]
    return None
