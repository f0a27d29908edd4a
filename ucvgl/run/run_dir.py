"""RunDir: reuse a finished stage, refuse a stale one, resume a broken one, publish by rename."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ucvgl.atomic import flush, write_whole
from ucvgl.files import cached
from ucvgl.files.owned import refuse_foreign, refuse_links_and_pipes
from ucvgl.files.parts import check_all, list_parts, refuse_added, refuse_cut
from ucvgl.files.printable import printable
from ucvgl.run.ending import Failure, machine_state, sentence
from ucvgl.run.environment import environment
from ucvgl.run.lock import Lock, locked
from ucvgl.run.metrics import MetricsLog
from ucvgl.run.prospects import Prospect, Stage, kept_inputs, made_from, partial_folder, prospect, prospects, wanted
from ucvgl.run.record import BEGUN, DONE, read_record, write_record
from ucvgl.run.resumed import refuse_damaged
from ucvgl.settings.dotted import differences, save_settings
from ucvgl.settings.experiment import Experiment

log = logging.getLogger(__name__)

MARKS = (".lock", ".owner", ".arrivals", "environment.json", f"*/{DONE}", f"*/{BEGUN}")
"""What only a run of ours has."""
Build = Callable[[Path], Mapping[str, Any] | None]


class StageError(Failure):
    """A stage failed; the message names it, the cause and the way out."""


class StopRequested(Exception):
    """The stage after which to stop is done."""


class RunDir:
    """One run on disk; only one process at a time may change it.

    Nothing is touched before the first `make`, `redo` or `log`. Changed settings are refused stage by stage,
    so what a new setting cannot change is still reused.

    Args:
        path: folder of the run.
        experiment: saved as `config.yaml`.
        stop_after: stage whose completion raises `StopRequested`.
        heard: gets all numbers that are logged, too.
    """

    def __init__(
        self,
        path: Path | str,
        experiment: Experiment,
        *,
        stop_after: str | None = None,
        heard: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.experiment = experiment
        self.stage: str | None = None
        """The stage at work, for messages."""
        self._stop_after, self._heard = stop_after, heard
        self._lock: Lock | None = None
        self._opened = False
        self._metrics: MetricsLog | None = None

    def make(
        self, name: str, build: Build, *, settings: Mapping[str, Any], inputs: Sequence[str] = ()
    ) -> Path:
        """The folder of a stage: as it is when it is done and nothing has changed, else made by `build`.

        Args:
            name: of the stage and its folder, as `3_translate`.
            build: fills the folder it is given and may return a summary. The folder is kept between attempts:
                a second call finds what the first left, and goes on from there.
            settings: all that can change the result; dataclasses and nested mappings become dotted names.
            inputs: earlier stages that `build` reads.

        Raises:
            ValueError: it was made, or begun, with other settings or from other inputs, or a file of it was cut off.
            StageError: `build` failed.
        """
        self.open()
        stage = Stage(name, settings, inputs)
        ahead = prospect(self.path, stage)
        if ahead.state == "refused":
            raise ValueError(ahead.reason)
        if ahead.state == "reused":
            refuse_cut(self.path / name)
            log.info("%s: done before, reused", name)
        else:
            self._finish(stage, build)
        if name == self._stop_after:
            raise StopRequested(name)
        return self.path / name

    def status(self, plan: Sequence[Stage], *, redo: Sequence[str] = ()) -> list[Prospect]:
        """What `make` would do for each stage of a plan, after `redo`; changes nothing."""
        return prospects(self.path, plan, redo=redo)

    def redo(self, name: str) -> list[str]:
        """Drop a stage and all that was made from it, last first; the names of what was dropped.

        Raises:
            ValueError: one of them holds a file that it did not make, or what they were made from is not whole, so that
                they could not be made anew.
        """
        self.open()
        victims = sorted(made_from(self.path, name), reverse=True)
        for kept in kept_inputs(self.path, victims):
            check_all(self.path / kept)
        for victim in victims:
            refuse_added(self.path / victim)
            refuse_added(partial_folder(self.path, victim))
        for victim in victims:
            cached.forget(self.path / victim)
            for folder in (self.path / victim, partial_folder(self.path, victim)):
                if folder.exists():
                    dropped = self.path / f".dropped.{folder.name}"
                    folder.rename(dropped)  # at once, so that half a stage is never taken for a whole one
                    shutil.rmtree(dropped)
        return victims

    def log(self, **numbers: Any) -> None:
        """Append to `metrics.jsonl` and TensorBoard; for `step` and `stage` see `MetricsLog.write`."""
        self.open()
        if self._metrics is None:
            self._metrics = MetricsLog(self.path)
        self._metrics.write(**numbers)
        if self._heard is not None:
            self._heard(numbers)

    def summary(self, name: str) -> Mapping[str, Any]:
        """What a finished stage said of itself."""
        record = read_record(self.path / name / DONE)
        assert record is not None, f"{name} is not done"
        return record.summary

    def open(self) -> None:
        """Create the folder, lock it and write down what this run is; does nothing the second time.

        Raises:
            ValueError: another process is at work in it.
        """
        if self._opened:
            return
        self.lock()
        self._opened = True
        for leftover in self.path.glob(".dropped.*"):
            shutil.rmtree(leftover)
        if not (self.path / "config.yaml").exists():
            self._save_config()
        here, file = environment(), self.path / "environment.json"
        if not file.exists():
            write_whole(file, json.dumps(here, indent=1) + "\n")
        for name, before, now in differences(_begun_with(file), here):
            log.warning("this run was begun with %s and goes on with %s", printable(f"{name} {before}"), now)

    def lock(self) -> None:
        """Keep other processes of this machine out; the folder is created.

        Raises:
            ValueError: another process is at work in it, or it holds something else than a run.
        """
        if self._lock is None:
            self.refuse_other()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self.path)

    def refuse_other(self) -> None:
        """Refuse a folder in which no run can be made; nothing is touched.

        Raises:
            ValueError: it holds something else than a run, a link or a pipe.
        """
        refuse_foreign(self.path, MARKS, "a run; name another folder with --run")
        refuse_links_and_pipes(self.path)

    @property
    def held(self) -> bool:
        """Whether other processes are kept out of it by this one."""
        return self._lock is not None

    def flush(self) -> None:
        """Have every number in its file."""
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None

    def close(self) -> None:
        """Flush the numbers and let another process have the run."""
        self.flush()
        self._opened = False
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> RunDir:
        self.open()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _finish(self, stage: Stage, build: Build) -> None:
        """Begin or resume a stage, and publish it."""
        partial, folder = partial_folder(self.path, stage.name), self.path / stage.name
        if not (partial / BEGUN).exists():
            missing = [name for name in stage.inputs if not (self.path / name / DONE).exists()]
            if missing:
                raise ValueError(f"{stage.name} is made from {', '.join(missing)}, not made yet")
            partial.mkdir(exist_ok=True)
            write_record(partial / BEGUN, wanted(self.path, stage))
        else:
            refuse_damaged(partial)
        if not (partial / DONE).exists():
            for name in stage.inputs:
                check_all(self.path / name)
            self._save_config()
            self._attempt(stage.name, partial, build)
        partial.rename(folder)
        flush(self.path)
        (folder / BEGUN).unlink()

    def _attempt(self, name: str, partial: Path, build: Build) -> None:
        begun = read_record(partial / BEGUN)
        assert begun is not None
        self.stage, start = name, time.monotonic()
        log.info("%s: at work", name)
        try:
            summary = build(partial)
        except Exception as error:
            raise StageError(
                f"stage {name} failed: {cause(error)}. The same command resumes it; "
                f"finished work is kept in {self.path}"
            ) from error
        seconds = round(time.monotonic() - start, 3)
        told = {"summary": dict(summary or {}), "seconds": seconds, "parts": list_parts(partial)}
        write_record(partial / DONE, replace(begun, **told))
        log.info("%s: done in %.1f s", name, seconds)
        self.stage = None

    def _save_config(self) -> None:
        save_settings(self.path / "config.yaml", self.experiment)


def _begun_with(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete it, and the same command writes it anew") from error


def cause(error: BaseException | str) -> str:
    """The sentence of an error that a person needs; Ray's hold a remote traceback and end with it."""
    told = sentence(error) if isinstance(error, BaseException) else machine_state(error)
    if told is None:
        told = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    return told.strip().rstrip(".")
