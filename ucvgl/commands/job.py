"""What every job does around its work: read the command, say what will happen, and end with a clear word."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ucvgl.atomic import write_whole
from ucvgl.commands.first_lines import first_screen
from ucvgl.commands.invocation import Invocation, resolve
from ucvgl.images.corpora import missing_root
from ucvgl.log import start_logging
from ucvgl.networks.weights_ahead import missing_weights
from ucvgl.run.ending import Interrupted, ended, trace
from ucvgl.run.foreseen import lacking, shut
from ucvgl.run.mirror import fetch_records
from ucvgl.run.prospects import Prospect, Stage
from ucvgl.run.record import FAILURE
from ucvgl.run.run_dir import RunDir, StopRequested
from ucvgl.run.stored import stored
from ucvgl.settings.experiment import Experiment, Resources
from ucvgl.stages.catalog import as_listed

log = logging.getLogger(__name__)

TRAIN = {"4_cold_start", "5_curriculum", "5_supervised"}
"""Stages that see images in batches of `contrast.batch`."""


def main(
    argv: Sequence[str],
    work: Callable[[RunDir, Experiment], str],
    *,
    plan: Callable[[Experiment], Sequence[Stage]],
    connect: Callable[[Resources], Any],
    recipe: Callable[[Experiment], Experiment] = replace,
) -> int:
    """Run a job; its exit code.

    Args:
        argv: the command line without the program's name.
        work: does the job and returns the line to print last.
        plan: the stages that `work` will make.
        connect: joins or starts the cluster; its answer is printed.
        recipe: what this job makes of a preset before it lays settings over it.
    """
    start_logging()
    return ended(partial(_run, argv, work, plan, connect, recipe), partial(log.error, "%s"))


def _run(
    argv: Sequence[str],
    work: Callable[[RunDir, Experiment], str],
    plan: Callable[[Experiment], Sequence[Stage]],
    connect: Callable[[Resources], Any],
    recipe: Callable[[Experiment], Experiment],
) -> None:
    names = [stage.name for stage in plan(recipe(Experiment()))]
    invocation = resolve(argv, stages=names, recipe=recipe)
    stages = plan(invocation.experiment)
    run = RunDir(invocation.run, invocation.experiment, stop_after=invocation.stop_after)
    try:
        with stored(run, None if invocation.dry_run else invocation.store):
            told = _work(invocation, run, work, stages, connect)
            _forget_failure(run)
            print(told, flush=True)
    except StopRequested as stop:
        _forget_failure(run)
        print(f"stopped after {stop}, as asked; without --stop-after the same command goes on", flush=True)
    except (KeyboardInterrupt, SystemExit) as stop:
        where = f" in stage {run.stage}" if run.stage else ""
        told = f"interrupted{where}. The same command resumes it; finished work is kept in {run.path}"
        raise Interrupted(told, stop) from stop
    except Exception as error:
        _keep_traceback(run, error)
        raise
    finally:
        run.close()


def _work(
    invocation: Invocation,
    run: RunDir,
    work: Callable[[RunDir, Experiment], str],
    plan: Sequence[Stage],
    connect: Callable[[Resources], Any],
) -> str:
    if invocation.dry_run and not invocation.store:
        run.refuse_other()
    prospects = _prospects(invocation, run, plan)
    refused = {prospect.stage: prospect.reason for prospect in prospects if prospect.state == "refused"}
    refusals = [
        refused[stage.name] for stage in plan if stage.name in refused and not refused.keys() & stage.inputs
    ]
    reused = {prospect.stage for prospect in prospects if prospect.state == "reused"}
    if len(reused) < len(prospects):
        dataset, catalogs = invocation.experiment.dataset, run.path / "1_catalog"
        refusals += missing_root(as_listed(catalogs, dataset) if catalogs.name in reused else dataset)
        refusals += missing_weights(invocation.experiment, frozen=any(stage.name == "4_adapt" for stage in plan))
    address = invocation.experiment.resources.address or os.environ.get("RAY_ADDRESS", "")
    ahead = {prospect.stage for prospect in prospects if prospect.state == "run"}
    writes = {"projects": "2_project" in ahead and not invocation.store, "trains": bool(ahead & TRAIN and not address)}
    refusals += lacking(invocation.experiment, run.path, **writes)
    if invocation.dry_run or refusals:
        print(first_screen(invocation, address or "a local Ray, to be started", prospects), flush=True)
        refusals += [] if invocation.store else shut(run.path)
        if refusals:
            raise ValueError("\n".join(refusals))
        return "dry run: nothing was done"
    run.open()
    cluster = connect(invocation.experiment.resources)
    start_logging()
    for name in sorted(invocation.redo):  # the first ones drop those that were made from them
        run.redo(name)
    print(first_screen(invocation, str(cluster), prospects), flush=True)
    return work(run, invocation.experiment)


def _prospects(invocation: Invocation, run: RunDir, plan: Sequence[Stage]) -> list[Prospect]:
    if not (invocation.dry_run and invocation.store):
        return run.status(plan, redo=invocation.redo)
    with tempfile.TemporaryDirectory() as records:  # a dry run leaves the local folder as it is
        fetch_records(invocation.store, Path(records))
        return RunDir(records, invocation.experiment).status(plan, redo=invocation.redo)


def _keep_traceback(run: RunDir, error: Exception) -> None:
    """Where the run is ours, as far as that can be: a full disk is no second failure."""
    if run.held:
        with suppress(OSError):
            write_whole(run.path / FAILURE, trace(error))


def _forget_failure(run: RunDir) -> None:
    """What went well since is not to be taken for failed."""
    if run.held:
        (run.path / FAILURE).unlink(missing_ok=True)
