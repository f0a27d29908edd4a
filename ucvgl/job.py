"""What every job does around its work: read the command, say what will happen, and end with a clear word."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ucvgl.config import Experiment, Resources
from ucvgl.invocation import Invocation, resolve
from ucvgl.log import start_logging
from ucvgl.mirror import Mirror, fetch_records
from ucvgl.plan import Prospect, Stage
from ucvgl.run import RunDir, StageError, StopRequested
from ucvgl.screen import first_screen
from ucvgl.settings import Mistakes

log = logging.getLogger(__name__)

DONE, FAILED, MISTAKEN, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


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
    try:
        names = [stage.name for stage in plan(recipe(Experiment()))]
        invocation = resolve(argv, stages=names, recipe=recipe)
        stages = plan(invocation.experiment)
    except Mistakes as mistakes:
        log.error("%s", mistakes)
        return MISTAKEN
    run = RunDir(invocation.run, invocation.experiment, stop_after=invocation.stop_after)
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with _copied(invocation, run):
            print(_work(invocation, run, work, stages, connect), flush=True)
        return DONE
    except StopRequested as stop:
        print(f"stopped after {stop}, as asked; without --stop-after the same command goes on", flush=True)
        return DONE
    except StageError as error:
        if not isinstance(error.__cause__, ValueError):  # not one of our sentences for users
            traceback.print_exception(error.__cause__)
        _keep_traceback(run, error)
        log.error("%s", error)
        return FAILED
    except (ValueError, ConnectionError) as error:
        _keep_traceback(run, error)
        log.error("%s", error)
        return MISTAKEN
    except (KeyboardInterrupt, SystemExit) as stop:
        where = f" in stage {run.stage}" if run.stage else ""
        log.error("interrupted%s. The same command resumes it; finished work is kept in %s", where, run.path)
        return TERMINATED if getattr(stop, "code", None) == TERMINATED else INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
        run.close()


def _work(
    invocation: Invocation,
    run: RunDir,
    work: Callable[[RunDir, Experiment], str],
    plan: Sequence[Stage],
    connect: Callable[[Resources], Any],
) -> str:
    prospects = _prospects(invocation, run, plan)
    refused = {prospect.stage: prospect.reason for prospect in prospects if prospect.state == "refused"}
    refusals = [
        refused[stage.name] for stage in plan if stage.name in refused and not refused.keys() & stage.inputs
    ]
    if invocation.dry_run or refusals:
        resources = invocation.experiment.resources
        address = resources.address or os.environ.get("RAY_ADDRESS") or "a local Ray, to be started"
        print(first_screen(invocation, address, prospects), flush=True)
        if refusals:
            raise ValueError("\n".join(refusals))
        return "dry run: nothing was done"
    run.open()
    with uninterrupted():
        cluster = connect(invocation.experiment.resources)
    start_logging()
    for name in invocation.redo:
        run.redo(name)
    print(first_screen(invocation, str(cluster), prospects), flush=True)
    return work(run, invocation.experiment)


def _prospects(invocation: Invocation, run: RunDir, plan: Sequence[Stage]) -> list[Prospect]:
    if not (invocation.dry_run and invocation.store):
        return run.status(plan, redo=invocation.redo)
    with tempfile.TemporaryDirectory() as records:  # a dry run leaves the local folder as it is
        fetch_records(invocation.store, Path(records))
        return RunDir(records, invocation.experiment).status(plan, redo=invocation.redo)


@contextmanager
def _copied(invocation: Invocation, run: RunDir) -> Iterator[None]:
    """Bring the run from its store if it has one, and copy it there while it is at work."""
    if not invocation.store or invocation.dry_run:
        yield
        return
    run.lock()
    mirror = Mirror(run.path, invocation.store)
    mirror.fetch()
    with mirror:
        try:
            yield
        finally:
            run.flush()


def _keep_traceback(run: RunDir, error: Exception) -> None:
    if run.path.exists():
        (run.path / "failure.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold interruptions back for a while: a Ray that is stopped in the middle of its start crashes."""
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {
        number: signal.signal(number, lambda held_back, _: held.append(held_back)) for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in held:
        signal.raise_signal(number)


def terminate(number: int, frame: Any) -> None:
    """On SIGTERM: leave as after an interruption, and not at once."""
    raise SystemExit(TERMINATED)
