"""Jobs on one cluster: those that fit together run together, the others take turns in the order they came.

Ray has no quotas. Two jobs that each hold some of the workers they need, and wait for the rest, would wait for ever. So
every job says when it joins, in Ray's own table of jobs, what it will hold at once, and begins when that fits beside
what the earlier jobs said. A job that has ended, or died, is out of the table.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.worker import global_worker
from ray.job_config import JobConfig

from ucvgl.distributed.capacity import Machine, growth, machines_of
from ucvgl.distributed.placement import place
from ucvgl.settings.experiment import Resources

log = logging.getLogger(__name__)

SAID = "ucvgl"
"""What the settings of a job are called in Ray's table."""
LOOK_S, AGAIN_S = 2.0, 300.0
"""Between two looks at the table; between two lines about the same wait."""


@dataclass(frozen=True)
class Needs:
    """The CPUs and GPUs that a job holds at once."""

    cpus: float
    gpus: float

    def __add__(self, other: Needs) -> Needs:
        return Needs(self.cpus + other.cpus, self.gpus + other.gpus)

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")


NOTHING = Needs(0, 0)


def said_at_the_door(resources: Resources) -> JobConfig:
    """What a job joins with, so that later ones know what it needs: the settings that decide where it is placed."""
    said = {name: getattr(resources, name) for name in ("workers", "worker_cpus", "image_cpus")}
    return JobConfig(metadata={SAID: json.dumps(said)})


def needs_of(said: Mapping[str, Any], machines: Sequence[Machine], *, grows: bool) -> Needs:
    """What a job with these settings holds at once; all there is, where it leaves that open.

    Processes that read images take what they find, if nobody says how many there are to be.
    """
    try:
        placement = place(Resources(**said), machines, grows=grows)
    except ValueError:  # machines were lost since it began
        return sum((Needs(machine.most * machine.cpus, machine.most * machine.gpus) for machine in machines), NOTHING)
    workers = placement.workers
    return Needs(max(workers * placement.cpus, said["image_cpus"]), workers * placement.gpus)


def wait_for_turn() -> None:
    """Return when this job fits on the cluster beside the earlier ones; until then, say what it waits for."""
    said = float("-inf")
    while others := in_the_way(*(there := _who_is_there()), room := _room()):
        if time.monotonic() - said >= AGAIN_S:
            said = time.monotonic()
            log.warning("%s", _reason(others, there[1], room))
        time.sleep(LOOK_S)
    if said > float("-inf"):
        log.info("now there is room for this job")


def in_the_way(earlier: Sequence[Needs], mine: Needs, room: Needs) -> list[Needs]:
    """The earlier jobs, if they leave less than this one needs; else none.

    Those that wait themselves count: nobody overtakes, so a large job does not wait for ever behind small ones.
    """
    together = sum(earlier, mine)
    short_of_gpus = room.gpus and together.gpus > room.gpus
    return list(earlier) if together.cpus > room.cpus or short_of_gpus else []


def _reason(others: Sequence[Needs], mine: Needs, room: Needs) -> str:
    plural, theirs = "s" * (len(others) != 1), sum(others, NOTHING)
    if not room.gpus:  # then nobody asks for any
        theirs, mine = Needs(theirs.cpus, 0), Needs(mine.cpus, 0)
    return (
        f"waiting for {len(others)} earlier job{plural}: {theirs} for the other{plural} and {mine} for "
        f"this one do not fit on {room}; it begins when they do. To run both, stop it and lower its resources"
    )


def _who_is_there() -> tuple[list[Needs], Needs]:
    """What the earlier living jobs need, and what this one does."""
    head: Any = global_worker
    table = head.gcs_client.get_all_job_info(skip_submission_job_info_field=True, skip_is_running_tasks_field=True)
    jobs = sorted(table.values(), key=lambda job: (job.start_time, job.job_id))
    mine = [job.job_id for job in jobs].index(bytes.fromhex(ray.get_runtime_context().get_job_id()))
    earlier = [_needs(job) for job in jobs[:mine] if not job.is_dead]
    return [needs for needs in earlier if needs != NOTHING], _needs(jobs[mine])


def _needs(job: Any) -> Needs:
    """Of a job of somebody else, that says nothing: nothing."""
    said = job.config.metadata.get(SAID)
    return needs_of(json.loads(said), _machines(), grows=bool(growth())) if said else NOTHING


def _machines() -> tuple[Machine, ...]:
    return growth() or machines_of(ray.nodes())


def _room() -> Needs:
    return sum((Needs(machine.most * machine.cpus, machine.most * machine.gpus) for machine in _machines()), NOTHING)
