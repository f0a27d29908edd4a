"""The main job as its users run it: a process of its own, with a Ray of its own."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

ROOT = Path(__file__).parents[2]
JOB_S = 600
"""Longest time that anything here may take, on a machine that does other things as well."""


PROCESSES = multiprocessing.get_context("forkserver")
LOADED = (
    *("ucvgl.commands.job", "ucvgl.methods.ucvgl", "ucvgl.methods.em_cvgl", "ucvgl.training.fit_cyclegan"),
    *("torch._dynamo", "tensorboard.summary.writer.event_file_writer", "matplotlib.backends.backend_svg"),
)
"""What a job would import: seven seconds of a core, for each."""


@dataclass(frozen=True)
class Forked:
    """A job without Ray, from a process that has imported all and run nothing; what of `Popen` is used here."""

    process: ForkServerProcess

    def poll(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()

    def wait(self, timeout: float) -> int | None:
        self.process.join(timeout)
        return self.process.exitcode


@dataclass(frozen=True)
class Job:
    """A preset with given images, and one thread to train: two of a small network only wait for each other.

    Args:
        images: root of the rendered worlds, the same for all runs.
        ray: Ray's own folder; a short name, as Ray puts sockets there.
        script: which job.
        flags: of every start.
        alone: with all of its programs in its own process instead, without Ray.
        preset: what the flags change.
    """

    images: Path
    ray: Path
    script: str = "unsupervised.py"
    flags: tuple[str, ...] = ()
    alone: bool = False
    preset: str = "tiny"

    def finish(self, run: Path, *flags: str) -> list[str]:
        """Run the job to its end; the lines that it printed."""
        assert self.begin(run, *flags).wait(timeout=JOB_S) == 0, log_of(run)
        self.wait_for_ray_to_end()
        return printed_path(run).read_text().splitlines()

    def kill(self, run: Path, *, when: Callable[[], bool]) -> None:
        """Start the job, and kill -9 its driver at some moment, and a second later all of its Ray, as machines die.

        Left alone, Ray's processes notice that the driver is gone within most of a minute.
        """
        process = self.begin(run)
        try:
            wait_until(lambda: process.poll() is not None or when())
            assert process.poll() is None, f"the job ended before the moment to kill it\n{log_of(run)}"
        finally:
            process.kill()
            process.wait(timeout=JOB_S)
        time.sleep(1)
        for pid in processes_with(f"RAY_TMPDIR={self.ray}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait_for_ray_to_end()

    def wait_for_ray_to_end(self) -> None:
        wait_until(lambda: not processes_with(f"RAY_TMPDIR={self.ray}"))

    def begin(self, run: Path, *flags: str) -> subprocess.Popen[bytes] | Forked:
        """Start the job in a session of its own; stdout goes to `printed_path(run)`, stderr to `log_path(run)`."""
        own = [self.preset, f"--run={run}", "--resources.workers=1", "--resources.worker-cpus=1"]
        words = [*own, f"--dataset.root={self.images}", *self.flags, *flags]
        mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        env = mine | {"PYTHONPATH": paths, "RAY_TMPDIR": str(self.ray), "RAY_AUTH_MODE": "disabled"}
        if self.alone:
            from job_without_ray import run_job

            PROCESSES.set_forkserver_preload(list(LOADED))
            process = PROCESSES.Process(
                target=run_job, args=(self.script, words, printed_path(run), log_path(run), env, os.getcwd())
            )
            process.start()
            return Forked(process)
        with printed_path(run).open("w") as printed, log_path(run).open("a") as log:
            command = [sys.executable, str(ROOT / "jobs" / self.script), *words]
            return subprocess.Popen(command, env=env, stdout=printed, stderr=log, start_new_session=True)


def printed_path(run: Path) -> Path:
    return run.with_name(f"{run.name}.printed")


def log_path(run: Path) -> Path:
    return run.with_name(f"{run.name}.log")


def log_of(run: Path) -> str:
    return log_path(run).read_text()


def processes_with(variable: str) -> list[int]:
    """The living processes that have `NAME=value` in their environment."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + JOB_S
    while not true():
        assert time.monotonic() < end, f"waited {JOB_S} s for nothing"
        time.sleep(0.02)  # each look at all processes takes as long


def artefacts(run: Path) -> dict[str, str]:
    """Digest of every file that the stages before evaluation made, without their records, which hold times."""
    files = [file for file in run.glob("[1-5]_*/**/*") if file.is_file()]
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.name != "DONE.json" and not file.name.startswith(".")
    }
