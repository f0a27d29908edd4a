"""Training goes on with the workers that are left when a node is lost."""

import os
import threading
import time
from pathlib import Path

import pytest
import ray
import training_programs as programs
from ray.cluster_utils import Cluster

from ucvgl.distributed.placement import Placement
from ucvgl.distributed.worker_group import WorkerGroup

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def two_nodes(monkeypatch):
    here = str(Path(__file__).parent)  # where the workers find the programs
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "10")
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, node
    ray.shutdown()
    cluster.shutdown()


def test_when_a_node_is_lost_the_workers_that_are_left_go_on_from_the_checkpoint(two_nodes, tmp_path):
    cluster, node = two_nodes
    with WorkerGroup(tmp_path, Placement(2, 1, 0, 1), lambda **_: None, at_least=1) as session:
        assert session.run(programs.total, number=1) == 3, "not both nodes trained"

        def lose_the_node():
            while not (tmp_path / "step").exists() or int((tmp_path / "step").read_text()) < 5:
                time.sleep(0.05)
            cluster.remove_node(node, allow_graceful=False)

        losing = threading.Thread(target=lose_the_node)
        losing.start()
        begun = session.run(programs.count_slowly, folder=tmp_path, steps=40)
        losing.join()
        assert 5 <= begun < 40
        assert (tmp_path / "step").read_text() == "40"
        assert session.run(programs.total, number=1) == 1, "the worker that is left is alone"
