"""One local Ray for all tests of this folder, and the folder itself on the path of tests and workers."""

import json
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))


@pytest.fixture
def proof(capsys):
    """Call it with what was measured: printed, and kept for `benchmarks/cluster.py` where that asks for it."""

    def keep(**measured):
        line = json.dumps(measured)
        with capsys.disabled():
            print(f"\n{line}", end="")
        if kept := os.environ.get("UCVGL_PROOFS"):
            with open(kept, "a") as file:
                file.write(line + "\n")

    return keep


@pytest.fixture(scope="session")
def cluster(moto):
    import ray

    from ucvgl.distributed.cluster import connect
    from ucvgl.settings.experiment import Resources

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
        for name, value in moto.environment.items():  # how its workers find the S3 server
            patch.setenv(name, value)
        yield connect(Resources(workers=2, worker_cpus=1, image_cpus=6))
        ray.shutdown()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """The Ray of all tests ends with the last test that takes it: idle, it costs two seconds of a core a minute."""
    yield
    if "cluster" in getattr(item, "fixturenames", ()) and "cluster" not in getattr(nextitem, "fixturenames", ()):
        import ray

        ray.shutdown()
