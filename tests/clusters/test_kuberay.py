"""The KubeRay files against the operator's own definitions, and, without them, against what we rely on."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.clusters.machine_files import KUBERAY, environment, ray_cluster, read

FOLDER = Path(os.environ.get("KUBERAY_CRDS", Path(__file__).parents[3] / "shared" / "kuberay"))
"""Of `ray.io_rayclusters.yaml` and `ray.io_rayjobs.yaml`, ray-operator/config/crd/bases in ray-project/kuberay."""


def definition(plural: str) -> dict[str, Any]:
    file = FOLDER / f"ray.io_{plural}.yaml"
    if not file.exists():
        pytest.skip(f"{file.name} of ray-project/kuberay is not here; name its folder in KUBERAY_CRDS")
    versions = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    schema["properties"]["metadata"] = {"type": "object"}  # checked by Kubernetes itself
    return strict(schema)


def strict(schema: Any) -> Any:
    """Refuse what is not named, as `kubectl apply --validate=strict` does; OpenAPI's int-or-string for JSON Schema."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@pytest.mark.parametrize(("name", "plural"), [("raycluster", "rayclusters"), ("rayjob", "rayjobs")])
def test_the_operator_takes_the_file_and_would_refuse_a_misspelt_field(name: str, plural: str) -> None:
    schema, manifest = definition(plural), read(f"kuberay/{name}")
    jsonschema.validate(manifest, schema)
    wrong = copy.deepcopy(manifest)
    spec = wrong["spec"].get("rayClusterSpec", wrong["spec"])
    spec["workerGroupSpecs"][0]["minReplica"] = 0
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", KUBERAY)
def test_machines_come_when_needed_and_go_when_idle(name: str) -> None:
    cluster = ray_cluster(name)
    assert cluster["enableInTreeAutoscaling"] and cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] <= 300
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert {group["minReplicas"] for group in cluster["workerGroupSpecs"]} == {0}
    assert {group["replicas"] for group in cluster["workerGroupSpecs"]} == {0}


@pytest.mark.parametrize("name", KUBERAY)
def test_a_token_is_asked_for(name: str) -> None:
    assert ray_cluster(name)["authOptions"]["mode"] == "token"


@pytest.mark.parametrize("name", KUBERAY)
def test_pods_are_watched_claim_no_volume_and_ray_counts_what_they_request(name: str) -> None:
    cluster = ray_cluster(name)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        requests = container["resources"]["requests"]
        assert "livenessProbe" in container
        assert requests == container["resources"]["limits"]  # a pod beyond its request would be evicted first
        assert {kind for v in group["template"]["spec"]["volumes"] for kind in v} == {"name", "emptyDir"}
        assert environment(group)["UCVGL_CACHE"] == container["volumeMounts"][0]["mountPath"]
        gibibytes = float(requests["ephemeral-storage"].removesuffix("Gi"))  # a pod that takes more is evicted
        assert float(environment(group)["UCVGL_CACHE_GB"]) <= 0.8 * gibibytes
    for group in cluster["workerGroupSpecs"]:
        requests = group["template"]["spec"]["containers"][0]["resources"]["requests"]
        assert group["rayStartParams"]["num-cpus"] == requests["cpu"]
        assert group["rayStartParams"]["num-gpus"] == requests.get("nvidia.com/gpu", "0")


def test_a_job_runs_on_the_machines_of_the_cluster_that_stays() -> None:
    assert ray_cluster("rayjob") == ray_cluster("raycluster")
    job = read("kuberay/rayjob")["spec"]
    assert job["shutdownAfterJobFinishes"] and job["backoffLimit"] > 0
    assert "--run s3://" in job["entrypoint"], "a new cluster finds the run only in the bucket"
