"""What waits for a machine is said, with the reason; on a real Ray."""

import time

import ray
from ray.autoscaler.v2.schema import ClusterStatus, LaunchRequest
from ray.autoscaler.v2.sdk import get_cluster_status

from ucvgl.distributed.capacity import Machine, machines_of
from ucvgl.distributed.pending import Waiting, pending, reason

ONE_GPU = (("CPU", 2.0), ("GPU", 1.0))


def test_a_demand_that_nothing_can_meet_is_seen_and_said(cluster):
    @ray.remote(num_cpus=997)
    class Large:
        pass

    large = Large.remote()
    shape, address = (("CPU", 997.0),), ray.get_runtime_context().gcs_address
    end = time.monotonic() + 30
    while shape not in (found := pending(status := get_cluster_status(address))):
        assert time.monotonic() < end, found
        time.sleep(0.2)
    assert found[shape] == 1
    assert "no machine of this cluster can ever hold it" in reason(shape, status, machines_of(ray.nodes()))
    ray.kill(large)


def test_the_reason_is_what_the_autoscaler_last_said():
    machines = (Machine(16, 0, 8), Machine(16, 1, 8))
    assert reason(ONE_GPU, ClusterStatus(), machines) == "all machines that could hold it are busy"
    starting = LaunchRequest("g6e.4xlarge", "gpu", 2, LaunchRequest.Status.PENDING, 0)
    sold_out = LaunchRequest("g6e.4xlarge", "gpu_spot", 2, LaunchRequest.Status.FAILED, 0, 1, "InsufficientCapacity")
    status = ClusterStatus(pending_launches=[starting], failed_launches=[sold_out])
    assert reason(ONE_GPU, status, machines) == (
        "machines are starting (2 x gpu); machines could not be started (gpu_spot: InsufficientCapacity)"
    )
    assert reason(ONE_GPU, status, machines[:1]).startswith(
        "no machine of this cluster can ever hold it (8 x 16 CPUs); stop the job"
    )
    assert "can ever hold it" in reason((("bev", 1.0),), status, machines)


def test_a_line_comes_within_a_minute_and_not_again_with_every_look():
    waiting, said = Waiting(), []
    for now in range(0, 700, 10):
        said += [(now, seconds) for _, _, seconds in waiting.look({ONE_GPU: 1}, float(now))]
    assert said == [(40, 40.0), (340, 340.0), (640, 640.0)]


def test_work_that_was_placed_in_between_has_waited_anew():
    waiting = Waiting()
    waiting.look({ONE_GPU: 1}, 0.0)
    waiting.look({}, 30.0)
    assert waiting.look({ONE_GPU: 1}, 60.0) == []
    assert waiting.look({ONE_GPU: 3}, 100.0) == [(ONE_GPU, 3, 40.0)]
