"""What a cluster can hold: the machines that it has, or those that it may start."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

VARIABLE = "UCVGL_MACHINES"
"""Of the head's environment: the workers that an autoscaling cluster may start. Ray's autoscaler tells no job."""


@dataclass(frozen=True)
class Machine:
    """A kind of machine, and how many of it there are or may be."""

    cpus: float
    gpus: float
    most: int

    def __str__(self) -> str:
        return f"{self.most} x {self.cpus:g} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")


def machines_of(nodes: Iterable[Mapping[str, Any]]) -> tuple[Machine, ...]:
    """The machines that `ray.nodes()` lists as alive."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    counted = Counter((found.get("CPU", 0), found.get("GPU", 0)) for found in alive)
    return tuple(Machine(*kind, most) for kind, most in counted.items())


def growth() -> tuple[Machine, ...]:
    """The machines that this cluster may start, as `UCVGL_MACHINES=8xCPU:16,4xCPU:16+GPU:1` says; none: it is fixed.

    Raises:
        ValueError: the variable says something else.
    """
    text = os.environ.get(VARIABLE, "").strip()
    return tuple(_machine(part, text) for part in text.split(",")) if text else ()


def _machine(part: str, text: str) -> Machine:
    found = re.fullmatch(r"(\d+)xCPU:([\d.]+)(?:\+GPU:([\d.]+))?", part.strip())
    if not found:
        raise ValueError(
            f"{VARIABLE}={text}: {part.strip()!r} is not COUNTxCPU:N or COUNTxCPU:N+GPU:N, as 8xCPU:16+GPU:1; "
            "repair it in the file of the cluster (docs/cluster.md)"
        )
    most, cpus, gpus = found.groups()
    return Machine(float(cpus), float(gpus or 0), int(most))
