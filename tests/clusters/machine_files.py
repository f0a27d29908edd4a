"""The files in clusters/, read and never started."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RAY_UP = ("aws", "gcp", "azure")
KUBERAY = ("raycluster", "rayjob")

Kind = dict[str, float]
"""CPUs and GPUs of a machine, and the most there may be of it."""


@cache
def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "clusters" / f"{name}.yaml").read_text(encoding="utf-8"))


def ray_cluster(name: str) -> dict[str, Any]:
    """The RayCluster's spec in a KubeRay file."""
    spec = read(f"kuberay/{name}")["spec"]
    return spec.get("rayClusterSpec", spec)


def kinds(name: str) -> list[Kind]:
    """The workers that a cluster may start, as its groups say."""
    if name in RAY_UP:
        found = read(name)
        types = {key: kind for key, kind in found["available_node_types"].items() if key != found["head_node_type"]}
        return [{**kind["resources"], "most": kind["max_workers"]} for kind in types.values()]
    groups = ray_cluster(name)["workerGroupSpecs"]
    return [
        {
            "CPU": float(group["rayStartParams"]["num-cpus"]),
            "GPU": float(group["rayStartParams"]["num-gpus"]),
            "most": group["maxReplicas"],
        }
        for group in groups
    ]


def announced(name: str) -> str:
    """UCVGL_MACHINES of the head."""
    if name in RAY_UP:
        options = " ".join(read(name)["docker"]["head_run_options"])
        return re.findall(r"--env UCVGL_MACHINES=(\S+)", options)[0]
    return environment(ray_cluster(name)["headGroupSpec"])["UCVGL_MACHINES"]


def environment(group: dict[str, Any]) -> dict[str, str]:
    (container,) = group["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}
