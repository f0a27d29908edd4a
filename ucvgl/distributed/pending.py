"""Says what a cluster has been asked for and has not given: Ray itself waits without a word."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

import ray
from ray.autoscaler.v2.schema import ClusterStatus
from ray.autoscaler.v2.sdk import get_cluster_status

from ucvgl.distributed.capacity import Machine, growth, machines_of

log = logging.getLogger(__name__)

LOOK_S, WORTH_SAYING_S, AGAIN_S = 10.0, 40.0, 300.0
"""Between two looks; how long work may wait unmentioned; between two lines about the same."""

Shape = tuple[tuple[str, float], ...]
"""What one task, actor or bundle asks for: sorted (resource, amount)."""


def watch() -> threading.Thread:
    """Log, from now on, what has waited for longer than 40 seconds, and why; a daemon thread."""
    address = ray.get_runtime_context().gcs_address
    thread = threading.Thread(target=_watch, args=(address,), daemon=True, name="demand")
    thread.start()
    return thread


def pending(status: ClusterStatus) -> dict[Shape, int]:
    """How many of each shape wait for a machine; of every job on the cluster."""
    found: dict[Shape, int] = {}
    demands = status.resource_demands
    for demand in (*demands.ray_task_actor_demand, *demands.placement_group_demand):
        for bundles in demand.bundles_by_count:
            shape = tuple(sorted((name, amount) for name, amount in bundles.bundle.items() if _counts(name)))
            found[shape] = found.get(shape, 0) + bundles.count
    return found


def reason(shape: Shape, status: ClusterStatus, machines: Sequence[Machine]) -> str:
    """Why something of this shape waits, as far as the cluster says."""
    wanted = dict(shape)
    if not any(_fits(wanted, machine) for machine in machines):
        kinds = ", ".join(map(str, machines)) or "no machine at all"
        return f"no machine of this cluster can ever hold it ({kinds}); stop the job and lower its resources"
    failed = [f"{launch.ray_node_type_name}: {launch.details or 'no word'}" for launch in status.failed_launches]
    starting = [f"{launch.count} x {launch.ray_node_type_name}" for launch in status.pending_launches]
    starting += [node.ray_node_type_name for node in status.pending_nodes]
    said = [f"machines are starting ({', '.join(starting)})"] if starting else []
    said += [f"machines could not be started ({'; '.join(failed)})"] if failed else []
    return "; ".join(said) or "all machines that could hold it are busy"


class Waiting:
    """Remembers since when each shape has been waiting, and what was said about it."""

    def __init__(self) -> None:
        self._since: dict[Shape, float] = {}
        self._said: dict[Shape, float] = {}

    def look(self, found: Mapping[Shape, int], now: float) -> list[tuple[Shape, int, float]]:
        """What is worth a line now: shape, how many, seconds since it was first seen."""
        self._since = {shape: self._since.get(shape, now) for shape in found}
        self._said = {shape: when for shape, when in self._said.items() if shape in found}
        worth = [
            (shape, count, now - self._since[shape])
            for shape, count in found.items()
            if now - self._since[shape] >= WORTH_SAYING_S and now - self._said.get(shape, -AGAIN_S) >= AGAIN_S
        ]
        self._said |= {shape: now for shape, _, _ in worth}
        return worth


def _watch(address: str) -> None:
    waiting = Waiting()
    while ray.is_initialized():
        try:
            status = get_cluster_status(address)
        except Exception as error:  # the head is busy, or goes down: nothing to add to what Ray says
            log.debug("the cluster's demand is not known: %s", error)
        else:
            for shape, count, seconds in waiting.look(pending(status), time.monotonic()):
                amounts = ", ".join(f"{name} {amount:g}" for name, amount in shape) or "nothing but a place"
                why = reason(shape, status, growth() or machines_of(ray.nodes()))  # some may be lost by now
                log.warning("%d x (%s) waiting for %.0f s: %s", count, amounts, seconds, why)
        time.sleep(LOOK_S)


def _fits(wanted: Mapping[str, float], machine: Machine) -> bool:
    others = set(wanted) - {"CPU", "GPU", "memory", "object_store_memory"}
    return not others and wanted.get("CPU", 0) <= machine.cpus and wanted.get("GPU", 0) <= machine.gpus


def _counts(name: str) -> bool:
    """Placement groups and pinned actors ask for names of their own as well."""
    return "_group_" not in name and not name.startswith("node:") and name != "bundle"
