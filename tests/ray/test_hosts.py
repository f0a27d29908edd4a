"""The cluster of several hosts, as far as one machine has them: each has its own network, addresses and Ray folder.

A host is a network namespace of Linux that hangs by a cable (a veth pair) on a switch (a bridge). What is bound to the
loopback address, or expects it to be the same on all nodes, works on `local.sh` and not here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from local_cluster import plain, title_of
from one_job import ROOT, processes_with, wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("ip") or os.geteuid() != 0, reason="needs root and `ip` (iproute2), to make networks"
    ),
]

TOKEN = "0123456789abcdef" * 4
SWITCH, OUTSIDE = "ucvgl", "10.77.0.254"
"""The switch, and the address of everybody who is on no host."""
WORKERS, CPUS = 2, 5
"""Two training workers of 3 CPUs do not fit on one host."""
SHORT = (
    "--dataset.synthetic.train-places=96",
    "--dataset.synthetic.validation-places=32",
    "--translation.steps=20",
    "--cold-start.intra-epochs=2",
    "--cold-start.cross-epochs=1",
    "--curriculum.rounds=1",
    "--curriculum.epochs-per-round=2",
    "--resources.images-per-shard=16",
)
"""Every stage, of which the connections are of interest and the quality is not."""


@dataclass
class Hosts:
    """The first is the head, without CPUs; the address of host n ends in n + 1."""

    folder: Path
    ray: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, host: int) -> None:
        """Ray on one host, as an administrator would start it."""
        listens, command = address(host), ["ip", "netns", "exec", name(host), "ray", "start", "--block"]
        command += [f"--node-ip-address={listens}", "--object-store-memory=200000000", "--num-gpus=0"]
        if host == 0:
            command += ["--head", "--port=6379", "--num-cpus=0", f"--dashboard-host={listens}"]
        else:
            command += [f"--address={address(0)}:6379", f"--num-cpus={CPUS}"]
        log = self.folder / f"{host}.log"
        env = plain() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_TMPDIR": str(self.folder / str(host))}
        with log.open("wb") as file:
            self.ray[host] = subprocess.Popen(
                [*command, f"--temp-dir={self.folder / str(host)}"], env=env, stdout=file, stderr=file
            )
        wait_until(lambda: b"Ray runtime started" in log.read_bytes() or self.ray[host].poll() is not None)
        assert self.ray[host].poll() is None, log.read_text()

    def workers(self, title: str) -> set[str]:
        """The networks that processes with such a title have."""
        found = set()
        for host in self.ray:
            for pid in processes_with(f"RAY_TMPDIR={self.folder / str(host)}"):
                if title in title_of(pid):
                    with suppress(OSError):  # ended meanwhile
                        found.add(os.readlink(f"/proc/{pid}/ns/net"))
        return found

    def stop(self) -> None:
        for host in sorted(self.ray, reverse=True):
            self.ray[host].send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.ray[host].wait(timeout=60)
            for pid in processes_with(f"RAY_TMPDIR={self.folder / str(host)}"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def name(host: int) -> str:
    return f"{SWITCH}{host}"


def address(host: int) -> str:
    return f"10.77.0.{host + 1}"


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@contextmanager
def networks(count: int) -> Iterator[None]:
    try:
        ip(f"link add {SWITCH} type bridge")
        ip(f"addr add {OUTSIDE}/24 dev {SWITCH}")
        ip(f"link set {SWITCH} up")
        for host in range(count):
            ip(f"netns add {name(host)}")
            ip(f"link add {name(host)} type veth peer name eth0 netns {name(host)}")
            ip(f"link set {name(host)} master {SWITCH} up")
            ip(f"-n {name(host)} addr add {address(host)}/24 dev eth0")
            ip(f"-n {name(host)} link set eth0 up")
            ip(f"-n {name(host)} link set lo up")
        yield
    finally:
        for made in [f"{what} {name(host)}" for host in range(count) for what in ("link del", "netns del")]:
            subprocess.run(["ip", *made.split()], stderr=subprocess.DEVNULL)  # as far as it was made
        subprocess.run(["ip", "link", "del", SWITCH], stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with tempfile.TemporaryDirectory(prefix="ucvgl") as folder, networks(1 + WORKERS):
        found = Hosts(Path(folder))
        try:
            for host in range(1 + WORKERS):
                found.start(host)
            yield found
        finally:
            found.stop()


def test_the_whole_job_runs_across_hosts_that_only_see_each_others_addresses(hosts, tmp_path, proof):
    run, begun = tmp_path / "run", time.monotonic()
    command = [sys.executable, str(ROOT / "jobs" / "submit.py"), f"http://{address(0)}:8265", "unsupervised"]
    command += ["tiny", f"--run={run}", f"--dataset.root={tmp_path / 'images'}"]
    command += ["--resources.workers=2", "--resources.worker-cpus=3", *SHORT]
    trained: set[str] = set()
    with subprocess.Popen(
        command, env=plain() | {"RAY_AUTH_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        while job.poll() is None:
            trained |= hosts.workers("RayTrainWorker")
            time.sleep(1)
        printed = job.stdout.read()
    assert job.returncode == 0, printed
    assert f"Ray at {address(0)}:6379, 3 nodes, 10 logical CPUs" in printed
    assert len(trained) == WORKERS, "the training workers were not on different hosts"
    assert printed.splitlines()[-1] == f"run folder {run}"
    assert (run / "6_evaluate" / "DONE.json").exists()
    proof(what="hosts", hosts=1 + WORKERS, seconds=round(time.monotonic() - begun))
