import re
import subprocess
import sys
import tempfile

import pytest
from local_cluster import plain

from ucvgl.distributed.placement import Placement


def test_the_local_cluster_has_room_for_the_whole_plan(cluster):
    assert cluster.address == "local"
    assert cluster.placement == Placement(2, 1, 0, 6)
    assert cluster.cpus > 6


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
