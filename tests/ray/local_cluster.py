"""The cluster of `clusters/local.sh`, and jobs that are submitted to it as users do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from one_job import ROOT, processes_with, wait_until

START_S = 180


@dataclass(frozen=True)
class LocalCluster:
    """A head and workers on this machine, all with `RAY_TMPDIR=<ray>` in their environment."""

    process: subprocess.Popen[str]
    address: str
    ray: str
    environment: dict[str, str] = field(repr=False)

    def submit(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """What `make submit` runs."""
        with self.begin(*words, **environment) as process:
            output, errors = process.communicate(timeout=1200)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def begin(self, *words: str, log: IO[str] | None = None, **environment: str) -> subprocess.Popen[str]:
        """The same, while it runs; what it prints goes to `log`, or else to pipes."""
        command = [sys.executable, str(ROOT / "jobs" / "submit.py"), self.address, *words]
        to = log or subprocess.PIPE
        return subprocess.Popen(command, env=plain() | environment, stdout=to, stderr=to, text=True)

    def kill_a_worker(self) -> None:
        """kill -9 the raylet of the last worker, which ends all that ran there."""
        starter = children(self.process.pid)[-1]
        (raylet,) = [pid for pid in descendants(starter) if name_of(pid) == "raylet"]
        os.kill(raylet, signal.SIGKILL)
        wait_until(lambda: starter not in children(self.process.pid))


@contextmanager
def local_cluster(*, workers: int, cpus: int, **environment: str) -> Iterator[LocalCluster]:
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        port, dashboard = free_ports(2)
        env = plain() | {"RAY_TMPDIR": ray, "PORT": str(port), "DASHBOARD": str(dashboard)} | environment
        script = [str(ROOT / "clusters" / "local.sh"), str(workers), str(cpus)]
        process = subprocess.Popen(script, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            line = process.stdout.readline()
            assert line.startswith("http://127.0.0.1:"), line
            yield LocalCluster(process, line.split()[0], ray, env)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)
            process.stdout.close()
            wait_until(lambda: not processes_with(f"RAY_TMPDIR={ray}"))


def plain() -> dict[str, str]:
    """This environment without Ray's variables, and with the folder of the `ray` command."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    paths = os.pathsep.join([str(Path(sys.executable).parent), mine.get("PATH", "")])
    with_code = os.pathsep.join([str(ROOT), mine.get("PYTHONPATH", "")])
    return mine | {"PATH": paths, "PYTHONPATH": with_code, "RAY_USAGE_STATS_ENABLED": "0"}


def free_ports(count: int) -> list[int]:
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


def children(pid: int) -> list[int]:
    """Those of its main thread, which has all that Ray's daemons start."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    return [pid, *(below for child in children(pid) for below in descendants(child))]


def title_of(pid: int) -> str:
    """What Ray calls a process, as ray::Embedder.embed; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
