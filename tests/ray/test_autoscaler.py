"""A head alone, machines that come because a job needs them, and go when idle: with Ray's own pretended provider."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_cluster import free_ports, plain
from one_job import ROOT, processes_with, wait_until
from ray.autoscaler.v2.sdk import get_cluster_status

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

HEAD, HEAD_KIND = "f" * 51 + "00000", "ray.head.default"
"""The provider knows its head by these."""
EMPTY_LISTS = (
    "cluster_synced_files rsync_exclude rsync_filter initialization_commands setup_commands head_setup_commands "
    "worker_setup_commands head_start_ray_commands worker_start_ray_commands"
)
V2 = {"RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD}


def configuration(address: str) -> dict:
    """At most two workers with 3 CPUs each; an idle one goes after 6 seconds."""
    worker = {"resources": {"CPU": 3, "object_store_memory": 150_000_000}, "node_config": {}, "max_workers": 2}
    return {
        "cluster_name": "pretended",
        "max_workers": 2,
        "idle_timeout_minutes": 0.1,
        "upscaling_speed": 10,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "gcs_address": address,
            "launch_multiple": True,
            "head_node_id": HEAD,
        },
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        "head_node_type": HEAD_KIND,
        "available_node_types": {
            HEAD_KIND: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "cpu": {**worker, "min_workers": 0},
        },
        **{name: [] for name in EMPTY_LISTS.split()},
    }


@contextmanager
def growing_cluster(folder: Path, version: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The addresses of its dashboard and of its head."""
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        port, dashboard = free_ports(2)
        address = f"127.0.0.1:{port}"
        (folder / "cluster.json").write_text(json.dumps(configuration(address)))
        command = ["ray", "start", "--head", "--block", f"--port={port}", "--num-cpus=0", "--num-gpus=0"]
        command += ["--node-ip-address=127.0.0.1", f"--dashboard-port={dashboard}", "--object-store-memory=150000000"]
        command += ["--dashboard-agent-listen-port=0", f"--autoscaling-config={folder / 'cluster.json'}"]
        env = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_AUTH_MODE": "disabled"}
        env |= {"RAY_TMPDIR": ray, "UCVGL_MACHINES": "2xCPU:3"} | version
        with (folder / "head.log").open("w") as log:
            head = subprocess.Popen(command, env=plain() | env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{dashboard}", address
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait(timeout=120)
            for leftover in processes_with(f"RAY_TMPDIR={ray}"):  # pretended machines do not end with their head
                os.kill(leftover, signal.SIGKILL)
            wait_until(lambda: not processes_with(f"RAY_TMPDIR={ray}"))


@pytest.mark.parametrize("version", [V2, {}], ids=["v2", "v1"])
def test_machines_come_with_a_job_and_go_when_it_is_over(version, tmp_path, proof):
    with growing_cluster(tmp_path, version) as (dashboard, address):
        wait_until(lambda: workers(address) == 0)
        arguments = ["tiny", f"--run={tmp_path / 'run'}", f"--dataset.root={tmp_path / 'images'}"]
        resources = ["--resources.image-cpus=4", "--resources.workers=1", "--resources.worker-cpus=1"]
        arguments += [*resources, "--stop-after=project"]
        command = [sys.executable, str(ROOT / "jobs" / "submit.py"), dashboard, "unsupervised", *arguments]
        begun, trace = time.monotonic(), []
        with subprocess.Popen(
            command, env=plain() | {"RAY_AUTH_MODE": "disabled"}, stdout=subprocess.PIPE, text=True
        ) as job:
            while job.poll() is None:
                follow(trace, begun, workers(address))
            printed = job.stdout.read()
        assert job.returncode == 0, printed + (tmp_path / "head.log").read_text()
        assert "0 logical CPUs, 0 GPUs, up to 6 and 0" in printed
        wait_until(lambda: follow(trace, begun, workers(address)) == 0)
    shown = [(round(when), count) for when, count in trace]
    proof(what="scaling", autoscaler="v2" if version else "v1", seconds_and_workers=shown)
    counts = [count for _, count in trace]
    assert counts[0] == 0 and max(counts) == 2 and counts[-1] == 0


def workers(address: str) -> int | None:
    """How many there are beside the head; None while the head does not answer."""
    try:
        status = get_cluster_status(address)
    except Exception:  # it starts
        return None
    nodes = len(status.active_nodes) + len(status.idle_nodes)
    return nodes - 1 if nodes else None


def follow(trace: list[tuple[float, int]], begun: float, count: int | None) -> int | None:
    """Note a change."""
    if count is not None and (not trace or trace[-1][1] != count):
        trace.append((time.monotonic() - begun, count))
    time.sleep(0.3)
    return count
