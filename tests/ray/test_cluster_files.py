"""`ray up` takes the files: Ray's schema, its defaults, its own checks; no cloud is asked."""

import copy

import jsonschema
import pytest
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.clusters.machine_files import RAY_UP, ROOT, read


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_takes_the_file(name):
    prepared = prepare_config(copy.deepcopy(read(name)))
    validate_config(prepared)
    assert all(kind["max_workers"] <= prepared["max_workers"] for kind in prepared["available_node_types"].values())


@pytest.mark.parametrize("name", RAY_UP)
def test_a_misspelt_field_would_be_refused(name):
    wrong = copy.deepcopy(read(name))
    wrong["available_node_types"]["cpu"]["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(prepare_config(wrong))


@pytest.mark.parametrize("name", RAY_UP)
def test_nothing_but_a_small_head_stays_and_the_head_is_never_a_spot_machine(name):
    found = read(name)
    head = found["available_node_types"][found["head_node_type"]]
    workers = {key: kind for key, kind in found["available_node_types"].items() if key != found["head_node_type"]}
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert found["idle_timeout_minutes"] <= 5
    assert all(kind.get("min_workers", 0) == 0 for kind in workers.values())
    assert "spot" not in str(head["node_config"]).lower()
    assert "spot" in str(workers["cpu"]["node_config"]).lower()


@pytest.mark.parametrize("name", RAY_UP)
def test_spot_gpus_are_tried_first_and_the_fallback_is_the_same_machine_on_demand(name):
    kinds = read(name)["available_node_types"]
    assert kinds["gpu_spot"]["priority"] > kinds["gpu"]["priority"]
    assert kinds["gpu_spot"]["resources"] == kinds["gpu"]["resources"]
    assert "spot" in str(kinds["gpu_spot"]["node_config"]).lower()
    assert "spot" not in str(kinds["gpu"]["node_config"]).lower()


@pytest.mark.parametrize("name", RAY_UP)
def test_the_token_goes_to_every_machine_and_no_key_lies_in_the_file(name):
    found = read(name)
    assert "--env RAY_AUTH_MODE=token" in found["docker"]["run_options"]
    assert found["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    assert "secret" not in str(found).lower()


@pytest.mark.parametrize("name", RAY_UP)
def test_a_job_that_brings_no_code_finds_that_of_the_machine_that_ran_ray_up(name):
    found = read(name)
    home = "/home/ray/ucvgl"
    assert {where: what for where, what in found["file_mounts"].items() if where.startswith(home)} == {
        f"{home}/{folder}": folder for folder in ("jobs", "ucvgl")
    }
    assert all((ROOT / folder).is_dir() for folder in ("jobs", "ucvgl"))
    assert f"--env PYTHONPATH={home}" in found["docker"]["run_options"]
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert found[commands][-1].startswith(f"cd {home};")


@pytest.mark.parametrize("name", RAY_UP)
def test_the_dashboard_that_runs_any_code_listens_on_the_head_alone(name):
    assert "--dashboard-host=127.0.0.1" in " ".join(read(name)["head_start_ray_commands"])


@pytest.mark.parametrize("name", RAY_UP)
def test_machines_keep_what_they_need_of_a_run_on_their_own_disks(name):
    found = read(name)
    assert "--env UCVGL_CACHE=/mnt/ucvgl/cache" in found["docker"]["run_options"]
    assert "--volume /mnt/ucvgl:/mnt/ucvgl" in found["docker"]["run_options"]
    assert "nfs" not in str(found).lower() and "UCVGL_RUNS" not in str(found)
