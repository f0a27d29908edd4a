from dataclasses import replace

import pytest

from ucvgl.config import Resources
from ucvgl.distributed.cluster import ClusterInfo, preflight

FOUND = ClusterInfo("10.0.0.1:6379", nodes=2, cpus=16, gpus=0, ray_version="", logs="")


def test_a_job_that_the_cluster_could_never_place_is_refused_with_the_numbers():
    wanted = Resources(train_workers=2, train_cpus=6, image_workers=15, model_workers=1, search_workers=2)
    preflight(wanted, FOUND)  # 12 + 3 + 1, or 15 + 1
    with pytest.raises(ValueError, match=r"17 CPUs at once.*search_workers 3.*10.0.0.1:6379 has 16; lower"):
        preflight(replace(wanted, search_workers=3), FOUND)
    with pytest.raises(ValueError, match=r"17 CPUs at once.*image_workers 16"):
        preflight(replace(wanted, image_workers=16), FOUND)


def test_gpus_are_only_counted_where_the_cluster_has_some():
    wanted = Resources(train_workers=2, train_cpus=1, train_gpus=1, model_workers=1, model_gpus=0.5)
    preflight(wanted, FOUND)
    preflight(wanted, replace(FOUND, gpus=3))
    with pytest.raises(ValueError, match=r"2.5 GPUs at once.*has 2; lower"):
        preflight(wanted, replace(FOUND, gpus=2))


def test_the_local_cluster_has_room_for_the_whole_plan(cluster):
    assert cluster.address == "local"
    assert cluster.cpus >= 2 + 1 + 3 + 1
