"""How a job is placed on machines: one worker for every GPU, or for a few CPUs where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ucvgl.distributed.capacity import Machine
from ucvgl.settings.experiment import Resources

CPUS_EACH = 8
"""Of a worker without a GPU, where nobody says how many workers there are to be; a smaller machine is one worker."""


@dataclass(frozen=True)
class Placement:
    """What a job holds: first processes that read images, of one CPU each, then its workers.

    Args:
        workers: how many there are.
        cpus: of each worker.
        gpus: of each worker, 1 or 0: a GPU is never shared.
        image_cpus: processes that read images.
    """

    workers: int
    cpus: int
    gpus: int
    image_cpus: int

    def __str__(self) -> str:
        each = f"{self.cpus} CPU{'s' * (self.cpus != 1)}" + (" and a GPU" if self.gpus else "")
        return f"{self.workers} worker{'s' * (self.workers != 1)} with {each} each; {self.image_cpus} for images"


def place(resources: Resources, machines: Sequence[Machine], *, grows: bool = False, where: str = "here") -> Placement:
    """The workers that `resources` asks for; what it leaves open is set by the machines.

    Args:
        machines: those that there are or, where machines come on demand, may be.
        grows: they come on demand. Then as many workers are wanted as the largest kind of machine holds, as several
            kinds may stand in for one another.
        where: the machines are, in words.

    Raises:
        ValueError: no such worker, or not so many, could ever be placed; with the numbers and the way out.
    """
    gpus = int(any(machine.gpus >= 1 for machine in machines))
    hosts = [machine for machine in machines if machine.gpus >= gpus and machine.cpus >= 1]
    cpus = resources.worker_cpus or _cpus_each(resources.workers, hosts, gpus)
    room = [machine.most * _held(machine, cpus, gpus) for machine in hosts]
    workers = resources.workers or (max if grows else sum)([0, *room])
    if not workers or workers > sum(room):
        each = f"{cpus} CPUs" + (" and a GPU" if gpus else "")
        there = ", ".join(map(str, machines)) or "no machine"
        raise ValueError(
            f"{max(workers, 1)} workers with {each} each are more than {where} holds, {sum(room)} ({there}); lower "
            "resources.workers or resources.worker_cpus, add machines, or count a small machine higher (ray start "
            "--num-cpus)"
        )
    held = int(sum(machine.most * machine.cpus for machine in machines))
    if resources.image_cpus > held:
        raise ValueError(
            f"resources.image_cpus: {resources.image_cpus} processes are more than the CPUs that {where} has, {held} "
            f"({', '.join(map(str, machines))}); lower it, or add machines"
        )
    apart = [machine for machine in machines if machine.gpus < gpus] if grows else []
    for_images = int(sum(machine.most * machine.cpus for machine in apart)) or held
    return Placement(workers, cpus, gpus, resources.image_cpus or for_images)


def _held(machine: Machine, cpus: int, gpus: int) -> int:
    """Workers that one machine holds."""
    held = int(machine.cpus // cpus)
    return min(held, int(machine.gpus)) if gpus else held


def _cpus_each(workers: int, hosts: Sequence[Machine], gpus: int) -> int:
    """The CPUs that fall to a GPU on the poorest of the machines; without GPUs, all that so many workers can have."""
    if gpus:
        return max(1, min((int(machine.cpus // machine.gpus) for machine in hosts), default=1))
    most = int(max((machine.cpus for machine in hosts), default=1))
    if not workers:
        least = int(min((machine.cpus for machine in hosts), default=1))
        return max(1, least // max(1, least // CPUS_EACH))
    fitting = (cpus for cpus in range(most, 1, -1) if sum(m.most * _held(m, cpus, 0) for m in hosts) >= workers)
    return next(fitting, 1)
