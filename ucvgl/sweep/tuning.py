"""A sweep from command line to page: check, train what is common, try, compare."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ucvgl.commands.invocation import resolve
from ucvgl.files.owned import refuse_links_and_pipes
from ucvgl.files.printable import printable
from ucvgl.images.corpora import missing_root
from ucvgl.images.uris import refuse_secrets
from ucvgl.log import start_logging
from ucvgl.methods import plan
from ucvgl.networks.weights_ahead import missing_weights
from ucvgl.pages.sweep_page import Row, table, write_sweep_page
from ucvgl.run.ending import DONE, FAILED, MISTAKEN, Interrupted, ended
from ucvgl.run.foreseen import lacking
from ucvgl.run.lock import locked
from ucvgl.run.places import runs_folder
from ucvgl.run.record import DONE as RECORD
from ucvgl.run.record import as_json_holds
from ucvgl.run.run_dir import RunDir, StopRequested
from ucvgl.run.stored import stored
from ucvgl.settings.dotted import Mistakes, differences, to_yaml
from ucvgl.settings.experiment import Experiment, Resources
from ucvgl.settings.yaml_door import tree_of
from ucvgl.stages.evaluate import read_recall, read_rounds
from ucvgl.sweep.home import OTHER_PLACE, WHAT, Home
from ucvgl.sweep.share import common_stages, give_common
from ucvgl.sweep.space import Space, Trial, draw, read_space

log = logging.getLogger(__name__)

USAGE = """usage: python jobs/tune.py SPACE [PRESET] [--run PLACE] [--select-by judged|recall] [--SETTING VALUE ...]

SPACE is a file as in tune_spaces/. All else is as for jobs/unsupervised.py: preset, --config and flags are what the
trials have in common. The best setting is chosen by the recall on the validation images as the judge
estimates it, which needs no truth; --select-by recall chooses by the truth, for comparison.
PLACE is a folder, which all machines of a cluster must see, or a place in a bucket, as s3://bucket/sweeps/mine, and
nothing else need be shared then. The same command goes on where an interrupted sweep stopped, from a bucket on any
machine."""


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
    refuse_secrets(argv[:1])
    select_by, rest = _select_by(list(argv[1:]))
    if found := [flag for flag in ("--redo", "--stop-after") if _value(rest, flag)]:
        raise Mistakes([f"{found[0]} is of a single run; a sweep makes all that its trials lack"])
    invocation = resolve(rest)
    lock = None
    try:
        base = invocation.experiment
        space = read_space(Path(argv[0]), base)
        trials = draw(space, base)
        sweep = Home(invocation.store or _value(rest, "--run") or str(runs_folder() / f"sweep_{Path(argv[0]).stem}"))
        begun = _is_begun(sweep, what := _what(space, base))
        _refuse_what_fails_later(sweep, trials)
        log.info("%d trials over %s, in %s", len(trials), ", ".join(space.settings), sweep.where)
        if invocation.dry_run:
            log.info("in common: %s", ", ".join(_common(base, trials)) or "nothing")
            print("dry run: nothing was done")
            return DONE
        if not begun:
            sweep.write(WHAT, yaml.safe_dump(what, sort_keys=False))
        sweep.folder.mkdir(parents=True, exist_ok=True)
        lock = locked(sweep.folder)
        connect(base.resources)
        start_logging()
        with _in_common(sweep, base, trials, work):
            outcomes = run_trials(trials, sweep, work, give_common, space)
            return _compared(sweep, space, trials, outcomes, select_by)
    except (KeyboardInterrupt, SystemExit) as stop:
        told = "interrupted. The same command goes on; finished trials and rounds are kept"
        raise Interrupted(told, stop) from stop
    finally:
        if lock is not None:
            lock.release()


def _compared(sweep: Home, space: Space, trials: Sequence[Trial], outcomes: Sequence[Any], select_by: str) -> int:
    """Say which trial is the best and leave what tells it; the exit code."""
    rows = [_row(sweep, trial, outcome) for trial, outcome in zip(trials, outcomes, strict=True)]
    best, title = best_of(rows, select_by), sweep.folder.name
    print(table(rows, best))
    page = write_sweep_page(sweep.folder / "sweep.html", title, list(space.settings), rows, best, select_by)
    sweep.publish(page)
    sweep.write("results.json", json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(f"report: {page}")
    if best is None:
        print("no trial came to its end")
        return FAILED
    settings = sweep.write("best.yaml", to_yaml(trials[best].experiment))
    print(f"best by {select_by}: trial {best:03d}; python jobs/unsupervised.py --config {settings}")
    if sweep.store:
        print(f"copied to {sweep.store}")
    return DONE


def best_of(rows: Sequence[Row], select_by: str) -> int | None:
    """The number of the finished trial with the highest recall, judged or true; the first one of equals."""
    value = {"judged": lambda row: row.judged, "recall": lambda row: row.r1}[select_by]
    finished = [row for row in rows if row.finished and value(row) is not None and not math.isnan(value(row))]
    return max(finished, key=lambda row: (value(row), -row.number)).number if finished else None


@contextmanager
def _in_common(sweep: Home, base: Experiment, trials: Sequence[Trial], work: Callable) -> Iterator[None]:
    """Make the stages that no trial changes, in a run of their own.

    Who holds that run in a bucket holds the sweep: a newer process takes it over, and the older one stops.
    """
    names = _common(base, trials)
    log.info("in common: %s", ", ".join(names) or "nothing")
    run = RunDir(sweep.shared.folder, base, stop_after=names[-1] if names else None)
    try:
        with stored(run, sweep.shared.store) as mirror:
            if names:
                run.open()
                with suppress(StopRequested):
                    work(run, base)
            if mirror is None:
                run.close()
            else:
                mirror.push()
            yield
    finally:
        run.close()


def _common(base: Experiment, trials: Sequence[Trial]) -> list[str]:
    """The stages that no trial changes."""
    return common_stages(plan.unsupervised(base), [plan.unsupervised(trial.experiment) for trial in trials])


def _row(sweep: Home, trial: Trial, outcome: Any) -> Row:
    with sweep.told_by(trial.number) as told:
        scored = told / "6_evaluate"
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


def _what(space: Space, base: Experiment) -> Any:
    """What a sweep tries, as it is written down."""
    return as_json_holds({"space": asdict(space), "base": {**asdict(base), "resources": None}})


def _is_begun(sweep: Home, now: Any) -> bool:
    """Whether this sweep was begun in its place.

    Raises:
        ValueError: the place holds another sweep, or something else, a link or a pipe.
    """
    refuse_links_and_pipes(sweep.folder)
    written = sweep.text(WHAT)
    if written is None:
        sweep.refuse_foreign()
        return False
    before = tree_of(written.decode("utf-8", "replace"), origin=f"{sweep.where}/{WHAT}")
    changed = differences(before if isinstance(before, dict) else {}, now)
    if changed:
        name, old, new = changed[0]
        told = printable(f"{name}: {old} -> {new}")
        raise ValueError(f"{sweep.where} holds another sweep ({told}); {OTHER_PLACE}, or remove it")
    return True


def _refuse_what_fails_later(sweep: Home, trials: Sequence[Trial]) -> None:
    """As a single run does before it starts.

    Raises:
        ValueError: images or weights are not there, or this machine cannot hold what a trial takes.
    """
    seen = {(trial.experiment.model, trial.experiment.supervision): trial.experiment for trial in trials}
    found = [line for experiment in seen.values() for line in missing_weights(experiment)]
    if not (sweep.shared.folder / "1_catalog" / RECORD).exists():
        found += [line for trial in trials for line in missing_root(trial.experiment.dataset)]
        here = not (trials[0].experiment.resources.address or os.environ.get("RAY_ADDRESS"))
        where = {"projects": sweep.store is None, "trains": here}
        found += [line for trial in trials for line in lacking(trial.experiment, sweep.folder, **where)]
    if found:
        raise ValueError("\n".join(dict.fromkeys(found)))


def _select_by(rest: list[str]) -> tuple[str, list[str]]:
    """The choice of `--select-by`, and the command line without it."""
    chosen = _value(rest, "--select-by") or ("" if "--select-by" in rest else "judged")
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
