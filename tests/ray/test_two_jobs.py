"""Two jobs on one cluster. Those that fit together share its processors; else the later one waits for its turn.

Fair means: a job that comes while another is at work gets as much processor time as that one from then on, and neither
waits for the other's end. Ray shares by what is asked for, and both ask for the same.
"""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from local_cluster import LocalCluster, local_cluster, plain
from one_job import artefacts, processes_with, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHORT = (
    "--dataset.synthetic.train-places=192",
    "--translation.steps=300",
    "--resources.workers=1",
    "--resources.worker-cpus=1",
    "--resources.image-cpus=1",
    "--stop-after=cold_start",
)
"""Four stages are enough to see who gets what: Ray Data and both trainings are among them."""


class Follow:
    """A submitted job of the preset `tiny`; all of them read the images beside its run."""

    def __init__(self, cluster: LocalCluster, run: Path, *flags: str) -> None:
        self.run, self._log = run, run.with_suffix(".log")
        images = f"--dataset.root={run.with_name('images')}"
        with self._log.open("w") as log:
            self._process = cluster.begin("unsupervised", "tiny", f"--run={run}", images, *flags, log=log)

    def __enter__(self) -> Follow:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended:
            self.stop()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def stages(self) -> int:
        return len(list(self.run.glob("*/DONE.json")))

    def begun(self, stage: str) -> bool:
        return any(self.run.glob(f"{stage}*"))

    def done(self, stage: str) -> bool:
        return (self.run / stage / "DONE.json").exists()

    def said(self) -> str:
        return self._log.read_text()

    def finish(self) -> None:
        assert self._process.wait() == 0, self.said()

    def stop(self) -> None:
        """As its first line says."""
        command = re.search(r"to stop it: (ray job stop .+)", self.said())[1]
        subprocess.run(command.split(), env=plain() | {"RAY_AUTH_MODE": "disabled"}, check=True, capture_output=True)
        self._process.wait()


def processor_seconds(cluster: LocalCluster, used: dict[str, float], seen: dict[int, float]) -> dict[str, float]:
    """Add to `used`, by job, what its workers have used since they were last `seen`."""
    for pid in processes_with(f"RAY_TMPDIR={cluster.ray}"):
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            job, times = process.environ().get("RAY_JOB_ID", ""), process.cpu_times()
            if job:
                now = times.user + times.system
                used[job] = used.get(job, 0.0) + now - seen.get(pid, 0.0)
                seen[pid] = now
    return used


@pytest.fixture(scope="module")
def shared():
    with local_cluster(workers=2, cpus=6, RAY_AUTH_MODE="disabled") as found:
        yield found


def test_two_jobs_that_fit_together_have_equal_shares_and_equal_results(shared, tmp_path, proof):
    first = Follow(shared, tmp_path / "first", *SHORT)
    wait_until(lambda: first.done("1_catalog"))  # both read the same images, and this one renders them
    second = Follow(shared, tmp_path / "second", *SHORT)
    wait_until(lambda: second.begun("2_project") or second.ended)
    seen: dict[int, float] = {}
    processor_seconds(shared, {}, seen)
    used: dict[str, float] = {}
    began = time.monotonic()
    while not (first.ended or second.ended):
        processor_seconds(shared, used, seen)
        time.sleep(0.2)
    together, ahead = time.monotonic() - began, [first.stages, second.stages]
    first.finish()
    second.finish()
    assert artefacts(first.run) == artefacts(second.run)
    shares = sorted(used.values(), reverse=True)[:2]
    proof(what="two jobs", seconds_together=round(together), stages_done=ahead, processor_seconds=shares)
    assert ahead[1] >= 2, "the later job waited for the earlier one"
    assert min(shares) >= 0.3 * sum(shares)


def test_a_job_that_does_not_fit_beside_another_says_so_and_begins_when_that_has_ended(shared, tmp_path, proof):
    with Follow(shared, tmp_path / "first", *SHORT) as first:
        wait_until(lambda: first.begun("1_catalog"))
        asked = time.monotonic()
        with Follow(shared, tmp_path / "large", *SHORT, "--resources.image-cpus=12") as large:
            wait_until(lambda: "waiting for 1 earlier job:" in large.said() or large.ended)
            said = time.monotonic() - asked
            assert "5 CPUs for the other and 11 CPUs for this one do not fit on 12 CPUs" in large.said()
            assert not large.begun("1_catalog")
            first.stop()
            stopped = time.monotonic()
            wait_until(lambda: large.begun("1_catalog"))
            begun = time.monotonic() - stopped
            assert "now there is room for this job" in large.said()
    proof(what="turn", seconds_to_the_message=round(said), seconds_to_begin=round(begun))


def test_work_that_no_machine_is_left_for_is_said_within_a_minute_of_its_wait(shared, tmp_path, proof):
    with Follow(shared, tmp_path / "run", *SHORT) as job:
        wait_until(lambda: job.begun("1_catalog"))
        for _ in range(2):
            shared.kill_a_worker()
        killed = time.monotonic()
        wait_until(lambda: "no machine of this cluster can ever hold it" in job.said() or job.ended)
        assert "no machine of this cluster can ever hold it (1 x 0 CPUs); stop the job" in job.said(), job.said()
        seconds = re.findall(r"x \(CPU 1\) waiting for (\d+) s: no machine", job.said())
        assert seconds and max(map(int, seconds)) < 60
        proof(what="never", seconds_after_the_loss=round(time.monotonic() - killed))
