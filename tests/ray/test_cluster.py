import re
import subprocess
import sys
import tempfile
from dataclasses import replace

import pytest
from local_cluster import plain

from ucvgl.distributed.cluster import ClusterInfo, preflight
from ucvgl.settings.experiment import Resources

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


SLOW = {"RAY_testing_asio_delay_us": "NodeInfoGcsService.grpc_server.RegisterNode=45000000:45000000"}
"""Ray's own way to be slow: the list of nodes learns of this one after 45 s."""
START = """
from ucvgl.settings.experiment import Resources
from ucvgl.distributed.cluster import connect
try:
    connect(Resources())
except ValueError as mistake:
    print(mistake)
"""


@pytest.mark.slow
def test_a_machine_on_which_ray_starts_too_slowly_is_told_what_to_do():
    with tempfile.TemporaryDirectory(prefix="ucvgl") as folder:
        env = plain() | SLOW | {"RAY_TMPDIR": folder}
        ended = subprocess.run([sys.executable, "-c", START], env=env, capture_output=True, text=True)
    told = ended.stdout
    assert re.match(r"Ray did not start on this machine within the 30 s .* on \d+ cores?\. Run the same", told), ended
    assert f"{folder}/ray/session_latest/logs" in told
