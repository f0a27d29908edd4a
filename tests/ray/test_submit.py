"""The main job, submitted to a cluster of a head and two workers as `make submit` does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from local_cluster import local_cluster, plain
from one_job import ROOT, processes_with

from ucvgl.distributed.submit import submit

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

Ended = subprocess.CompletedProcess[str]
TOKEN = "0123456789abcdef" * 4
STOP = "--stop-after=project"
ONE_THREAD = ("--resources.workers=1", "--resources.worker-cpus=1")
LOCAL = str(ROOT / "clusters" / "local.sh")
OTHER_PYTHON = """
import json, sys
from ray._raylet import GcsClient
from ucvgl.settings.experiment import Resources
from ucvgl.distributed.cluster import connect

where = (b"CLUSTER_METADATA", b"cluster")
store = GcsClient(address=sys.argv[1])
written = json.loads(store.internal_kv_get(*where))
store.internal_kv_put(where[0], json.dumps(written | {"python_version": "3.9.1"}).encode(), True, where[1])
try:
    connect(Resources(address=sys.argv[1]))
except ValueError as mistake:
    print(mistake)
"""
"""A cluster that says it was started by another Python than this process runs on."""


def test_without_authentication_a_stage_runs_and_a_token_does_no_harm(tmp_path, proof):
    with local_cluster(workers=1, cpus=6, RAY_AUTH_MODE="disabled") as cluster:
        arguments = ["tiny", f"--run={tmp_path / 'run'}", f"--dataset.root={tmp_path / 'images'}", *ONE_THREAD]
        stage = cluster.submit("unsupervised", *arguments, STOP, RAY_AUTH_MODE="disabled")
        assert stage.returncode == 0, stage.stdout + stage.stderr
        assert stage.stdout.splitlines()[-1] == f"run folder {tmp_path / 'run'}"
        assert (tmp_path / "run" / "2_project" / "DONE.json").exists()
        taken = subprocess.run([LOCAL], env=cluster.environment, capture_output=True, text=True)
        assert (taken.returncode, taken.stdout) == (1, "")
        assert f"port {cluster.environment['PORT']} is in use" in taken.stderr
        again, submitted = timed(lambda: cluster.submit("unsupervised", *arguments, STOP, RAY_AUTH_TOKEN=TOKEN))
        assert again.returncode == 0, again.stdout + again.stderr
        direct = [sys.executable, str(ROOT / "jobs" / "unsupervised.py"), *arguments, STOP]
        env = plain() | {"RAY_ADDRESS": f"127.0.0.1:{cluster.environment['PORT']}", "RAY_AUTH_MODE": "disabled"}
        again, beside = timed(lambda: subprocess.run(direct, env=env, capture_output=True, text=True))
        assert again.returncode == 0, again.stdout + again.stderr
        proof(what="submit", direct=beside, submitted=submitted)
        other = subprocess.run(
            [sys.executable, "-c", OTHER_PYTHON, f"127.0.0.1:{cluster.environment['PORT']}"],
            env=plain() | {"RAY_AUTH_MODE": "disabled"},
            capture_output=True,
            text=True,
        )
        assert other.stdout.startswith("the cluster at 127.0.0.1:"), other.stdout + other.stderr
        assert "and this process do not match: here is Ray 2." in other.stdout
        assert "Python: 3.9.1" in other.stdout and "Submit the job instead (make submit)" in other.stdout


def timed(run: Callable[[], Ended]) -> tuple[Ended, float]:
    begun = time.monotonic()
    return run(), time.monotonic() - begun


def test_a_wrong_address_and_a_job_that_is_not_there_are_told_before_anything_is_sent(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "unsupervised.py").touch()
    with pytest.raises(ValueError, match=r"JOB=nosuch: there is no jobs/nosuch.py; there are unsupervised"):
        submit("http://127.0.0.1:1", "nosuch", [], root=tmp_path)
    with pytest.raises(ValueError, match=r"ADDRESS=127.0.0.1:6379: give the address of the dashboard"):
        submit("127.0.0.1:6379", "unsupervised", [], root=tmp_path)
    with pytest.raises(ValueError, match=r"nothing answers at http://127.0.0.1:1; is the cluster up"):
        submit("http://127.0.0.1:1", "unsupervised", [], root=tmp_path)


@pytest.fixture(scope="module")
def locked():
    with local_cluster(workers=2, cpus=6, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as found:
        yield found


def test_without_the_token_the_answer_says_how_to_send_it(locked, tmp_path):
    refused = locked.submit("unsupervised", "tiny", "--dry-run", RAY_AUTH_MODE="disabled")
    assert refused.returncode == 2
    assert "asks for a token, and no token was sent; set RAY_AUTH_TOKEN" in refused.stderr
    refused = locked.submit("unsupervised", "tiny", "--dry-run", RAY_AUTH_TOKEN="f" * 64)
    assert "asks for a token, and another token was sent" in refused.stderr


def test_with_the_token_the_whole_job_runs_and_survives_a_node(locked, tmp_path):
    run, printed = tmp_path / "run", []
    arguments = ["tiny", f"--run={run}", f"--dataset.root={tmp_path / 'images'}", *ONE_THREAD]
    with locked.begin("unsupervised", *arguments, RAY_AUTH_TOKEN=TOKEN) as process:
        killed = False
        while process.poll() is None:
            if not killed and any(run.glob("5_curriculum.partial/round_00/model.pt")):
                assert not (lost := [where for where in folders(locked.ray) if where.endswith(" (deleted)")]), lost
                locked.kill_a_worker()
                killed = True
            time.sleep(0.1)
        output, errors = process.communicate()
    printed = output.splitlines()
    assert process.returncode == 0, output + errors
    assert killed, "the job ended before the node could be killed"
    assert "2 nodes" not in printed[0] and any("3 nodes, 12 logical CPUs" in line for line in printed)
    assert printed[-1] == f"run folder {run}"
    assert any(line.startswith("R@1 ") for line in printed[-3:])
    assert (run / "6_evaluate" / "DONE.json").exists()


def folders(ray: str) -> Iterator[str]:
    """Where the cluster's processes work, as Linux tells it: with a mark where the folder is gone."""
    for pid in processes_with(f"RAY_TMPDIR={ray}"):
        with suppress(OSError):  # ended meanwhile
            yield os.readlink(f"/proc/{pid}/cwd")


def test_a_mistake_is_told_by_the_cluster_and_is_the_exit_code(locked):
    refused = locked.submit("unsupervised", "tiny", "--contrast.batch=-3", RAY_AUTH_TOKEN=TOKEN)
    assert refused.returncode == 2
    assert "contrast.batch" in refused.stdout


def test_a_job_that_could_never_be_placed_is_refused_at_once(locked, tmp_path):
    begun = time.monotonic()
    arguments = ["tiny", f"--run={tmp_path / 'run'}", "--resources.image-cpus=50"]
    refused = locked.submit("unsupervised", *arguments, RAY_AUTH_TOKEN=TOKEN)
    assert refused.returncode == 2
    assert re.search(r"resources.image_cpus: 50 processes are more than the CPUs that .* has, \d+ ", refused.stdout)
    assert time.monotonic() - begun < 120
