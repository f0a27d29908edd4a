"""A cluster of several nodes on this machine loses one in every stage, and the job makes what it makes undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from local_cluster import children, plain, title_of
from one_job import ROOT, artefacts, processes_with, wait_until
from ray.cluster_utils import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

T = TypeVar("T")

WORKERS, CPUS = 3, 3
TRIES = 3
LONGER = ("--translation.steps=300", "--curriculum.epochs-per-round=8")
"""Trainings that last long enough to be in the middle of when they have said their first line, after 5 s."""


@dataclass
class Nodes:
    """A head without CPUs and workers; one that is lost is replaced, as an autoscaler would."""

    cluster: Cluster
    environment: Mapping[str, str]
    workers: list = field(default_factory=list)

    def add(self) -> None:
        self.workers.append(
            started(lambda: self.cluster.add_node(num_cpus=CPUS, object_store_memory=200_000_000))
        )

    def lose(self, work: str) -> bool:
        """kill -9 the raylet of the node where `work` runs, as a process title says; whether there is one."""
        for node in self.workers:
            (raylet,) = (info.process for info in node.all_processes["raylet"])
            workers = children(raylet.pid)
            if any(work in title_of(pid) for pid in workers):
                raylet.kill()
                raylet.wait()  # its workers end when it is gone, and a zombie is not gone
                wait_until(lambda workers=workers: not any(map(title_of, workers)))
                self.workers.remove(node)
                return True
        return False


@dataclass(frozen=True)
class Moment:
    """When a node dies.

    Args:
        work: in the titles of the processes one of which dies with its node.
        when: the stage is in the middle of it.
    """

    stage: str
    work: str
    when: Callable[[Path], bool]

    def has_come(self, run: Path) -> bool:
        return (run / f"{self.stage}.partial").exists() and self.when(run)

    def has_passed(self, run: Path) -> bool:
        return (run / self.stage).exists()


def exists(pattern: str) -> Callable[[Path], bool]:
    return lambda run: any(run.glob(pattern))


def trains(stage: str) -> Callable[[Path], bool]:
    """Steps of that training have been logged."""
    file = "metrics.jsonl"
    return lambda run: (run / file).exists() and f'"{stage}"' in (run / file).read_text()


MOMENTS = [
    Moment("1_catalog", "render", lambda run: any(run.with_name("images").glob("*/validation/satellite/*.jpg"))),
    Moment("2_project", "Project", exists("2_project.partial/*/*/part-*.arrow")),
    Moment("3_translate", "RayTrainWorker", trains("translate")),
    Moment("3_translate", "RayTrainWorker", exists("3_translate.partial/to_tile.pt")),
    Moment("4_cold_start", "RayTrainWorker", trains("cold_start_intra")),
    Moment("5_curriculum", "RayTrainWorker", exists("5_curriculum.partial/round_00/scan/*/part-*.npy")),
    Moment("5_curriculum", "RayTrainWorker", trains("round_00")),
    Moment("5_curriculum", "RayTrainWorker", exists("5_curriculum.partial/round_02/scan/references/part-*.npy")),
    Moment("6_evaluate", "RayTrainWorker", exists("6_evaluate.partial/embeddings/*/*/part-*.npy")),
]


def started(start: Callable[[], T]) -> T:
    """What starts within the 30 s that Ray gives itself, which a busy machine may not at the first time."""
    for _ in range(TRIES):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray, pytest.MonkeyPatch.context() as patch:
        mine = plain() | {"RAY_TMPDIR": ray, "RAY_AUTH_MODE": "disabled"}
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            patch.delenv(name)
        for name, value in mine.items():
            patch.setenv(name, value)
        head = {"num_cpus": 0, "object_store_memory": 200_000_000, "include_dashboard": True, "dashboard_port": 0}
        found = Nodes(started(lambda: Cluster(initialize_head=True, head_node_args=head)), mine)
        try:
            for _ in range(WORKERS):
                found.add()
            yield found
        finally:
            found.cluster.shutdown()
            for pid in processes_with(f"RAY_TMPDIR={ray}"):
                if pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)


def test_a_node_lost_in_every_stage_changes_nothing(nodes, tmp_path, proof):
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    finish(nodes, calm)
    (world,) = (tmp_path / "images").iterdir()
    shutil.rmtree(world / "validation")  # the stage that renders has something to do again
    lost = finish(nodes, disturbed, MOMENTS)
    assert [moment for moment, _ in lost] == MOMENTS
    made, expected = artefacts(disturbed), artefacts(calm)
    assert any(name.endswith("round_02/pairs.parquet") for name in expected)
    assert made == expected
    for moment, lived_on in lost:
        stage = moment.stage
        seconds = [json.loads((run / stage / "DONE.json").read_text())["seconds"] for run in (calm, disturbed)]
        if stage == "1_catalog":  # which had more to render the first time
            seconds[0] = None
        proof(what="node lost", stage=stage, work=moment.work, lived_on=lived_on, seconds=seconds)


def finish(nodes: Nodes, run: Path, moments: list[Moment] | None = None) -> list[tuple[Moment, bool]]:
    """Run the job on the cluster, again if it ends with an error; the moments that came, and whether it lived on."""
    waiting, came = list(moments or ()), []
    while True:
        before = len(came)
        with begin(nodes, run) as process:
            while process.poll() is None:
                if waiting and waiting[0].has_come(run) and nodes.lose(waiting[0].work):
                    came.append([waiting.pop(0), True])
                    nodes.add()
                if passed := [moment for moment in waiting[:1] if moment.has_passed(run)]:
                    process.terminate()
                    raise AssertionError(f"its stage was over before its node could be killed: {passed[0]}")
                time.sleep(0.02)
        if process.returncode == 0:
            return [tuple(one) for one in came]
        assert len(came) > before, run.with_name(f"{run.name}.log").read_text()
        came[-1][1] = False


def begin(nodes: Nodes, run: Path) -> subprocess.Popen[str]:
    job = [sys.executable, str(ROOT / "jobs" / "unsupervised.py"), "tiny", f"--run={run}"]
    job += [f"--dataset.root={run.with_name('images')}", "--resources.workers=1", "--resources.worker-cpus=1", *LONGER]
    with run.with_name(f"{run.name}.log").open("a") as log:
        env = dict(nodes.environment) | {"RAY_ADDRESS": nodes.cluster.address}
        return subprocess.Popen(job, env=env, stdout=log, stderr=log, text=True)
