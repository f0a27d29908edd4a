"""Shape and type checks of the core, and an environment that every test can rely on."""

from __future__ import annotations

import os
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

settings.register_profile("any machine", deadline=None)  # a busy machine is no failure
settings.load_profile("any machine")

CORE = (
    "images", "world", "truth", "projection", "networks", "training", "pseudo_labels", "retrieval", "index", "types"
)
install_import_hook([f"ucvgl.{name}" for name in CORE], "shape_checks.checked")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in tests/ray starts Ray: one process runs all of it, from the first moment on, and others the rest."""
    for item in items:
        if "ray" in Path(item.path).relative_to(Path(__file__).parent).parts[:-1]:
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.xdist_group("ray"))
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)


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
    from ucvgl.images.storage import forget_connections

    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    forget_connections()
