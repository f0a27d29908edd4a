"""The main job as its users run it: a process of its own, with a Ray of its own."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
JOB_S = 600
"""Longest time that anything here may take, on a machine that does other things as well."""


@dataclass(frozen=True)
class Job:
    """The preset `tiny` with given images, and one thread to train: two of a small network only wait for each other.

    Args:
        images: root of the rendered worlds, the same for all runs.
        ray: Ray's own folder; a short name, as Ray puts sockets there.
        script: which job.
        flags: of every start.
        alone: with all of its programs in its own process instead, without Ray.
    """

    images: Path
    ray: Path
    script: str = "unsupervised.py"
    flags: tuple[str, ...] = ()
    alone: bool = False

    def finish(self, run: Path, *flags: str) -> list[str]:
        """Run the job to its end; the lines that it printed."""
        with self.begin(run, *flags) as process:
            printed, _ = process.communicate(timeout=JOB_S)
        assert process.returncode == 0, log_of(run)
        self.wait_for_ray_to_end()
        return printed.splitlines()

    def kill(self, run: Path, *, when: Callable[[], bool]) -> None:
        """Start the job, and kill -9 its driver at some moment, and a second later all of its Ray, as machines die.

        Left alone, Ray's processes notice that the driver is gone within most of a minute.
        """
        with self.begin(run) as process:
            try:
                wait_until(lambda: process.poll() is not None or when())
                assert process.poll() is None, f"the job ended before the moment to kill it\n{log_of(run)}"
            finally:
                process.kill()
        time.sleep(1)
        for pid in processes_with(f"RAY_TMPDIR={self.ray}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait_for_ray_to_end()

    def wait_for_ray_to_end(self) -> None:
        wait_until(lambda: not processes_with(f"RAY_TMPDIR={self.ray}"))

    def begin(self, run: Path, *flags: str) -> subprocess.Popen[str]:
        """Start the job in a session of its own; stderr goes to `log_path(run)`."""
        without_ray = [str(Path(__file__).with_name("job_without_ray.py")), self.script]
        job = [
            sys.executable,
            *(without_ray if self.alone else [str(ROOT / "jobs" / self.script)]),
            "tiny",
            f"--run={run}",
            "--resources.workers=1",
            "--resources.worker-cpus=1",
        ]
        mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        needed = {"PYTHONPATH": paths, "RAY_TMPDIR": str(self.ray), "RAY_AUTH_MODE": "disabled"}
        with log_path(run).open("a") as log:
            return subprocess.Popen(
                [*job, f"--dataset.root={self.images}", *self.flags, *flags],
                env=mine | needed,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )


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
        time.sleep(0.01)


def artefacts(run: Path) -> dict[str, str]:
    """Digest of every file that the stages before evaluation made, without their records, which hold times."""
    files = [file for file in run.glob("[1-5]_*/**/*") if file.is_file()]
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.name != "DONE.json" and not file.name.startswith(".")
    }
