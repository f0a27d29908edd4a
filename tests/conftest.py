"""Shape and type checks of the core, and an environment that every test can rely on."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

from collections.abc import Iterator

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from benchmarks.object_store import ObjectStore, moto_server

gc.disable()  # while tests are collected, of whose seconds it would take a quarter: nearly all that is made stays

settings.register_profile("any machine", deadline=None)  # a busy machine is no failure
settings.load_profile("any machine")

CORE = (
    "images",
    "world",
    "truth",
    "projection",
    "poses",
    "networks",
    "training",
    "pseudo_labels",
    "retrieval",
    "programs",
    "index",
    "types",
)
install_import_hook([f"ucvgl.{name}" for name in CORE], "shape_checks.checked")


CORES = os.cpu_count() or 1
COMPILING = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: two for what starts Ray, which mostly waits, and one that computes; to collect costs each 20 s."""
    return max(3, min(CORES, 6))


def pytest_sessionstart(session: pytest.Session) -> None:
    """In a fresh clone the renderer is compiled once, while tests are collected, not by each process that renders."""
    if session.config.getoption("dist", "no") != "no" and not hasattr(session.config, "workerinput"):
        render = [sys.executable, "-c", "from tests.images.published import rendered; rendered()"]
        session.stash[COMPILING] = subprocess.Popen(render, cwd=Path(__file__).parents[1])


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in tests/ray starts Ray: two processes run all of it, from the first moment on.

    One has what shares a Ray, which ends when the last of these has; the other starts one for each job. Then comes the
    rest, with which any further processes begin: what is slow first, and what a file makes once for all of its tests
    only once, in one process.
    """
    order = {}
    for item in items:
        order[item] = 2 + (item.get_closest_marker("slow") is None)
        if "ray" in Path(item.path).relative_to(Path(__file__).parent).parts[:-1]:
            order[item] = int("cluster" not in getattr(item, "fixturenames", ()))
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.xdist_group(f"ray {order[item]}"))
        elif shares_what_its_file_makes(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: order[item])


def pytest_collection_finish() -> None:
    """What came with the tests is not looked through again and again while they run."""
    gc.freeze()
    gc.enable()


def shares_what_its_file_makes(item: pytest.Item) -> bool:
    """Whether a test takes a fixture of scope `module`: tests of one file, in several processes, each make that."""
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009  pytest's own name
    return any(found[-1].scope == "module" for found in fixtures)


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    """Tests that train come after others in one process: with more threads than cores they took ten times as long."""
    before = torch.get_num_threads() if (torch := sys.modules.get("torch")) else None
    yield
    if torch is not None and before != (after := torch.get_num_threads()):
        torch.set_num_threads(before)
        pytest.fail(f"the test leaves PyTorch {after} threads instead of {before}")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """One for all processes of the session."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def moto() -> Iterator[ObjectStore]:
    """An S3 server that accepts everybody and lists in small pages, for the whole session."""
    with moto_server(MOTO_S3_DEFAULT_MAX_KEYS="25") as store:
        yield store


@pytest.fixture
def bucket(moto: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A new, empty bucket, which this process finds by the usual chain."""
    use(moto, monkeypatch)
    name = f"bucket-{abs(hash(request.node.nodeid)):x}"
    moto.client().create_bucket(Bucket=name)
    return name


def use(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find a server; connections to another one are forgotten."""
    from ucvgl.images.connections import forget_connections

    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    forget_connections()
