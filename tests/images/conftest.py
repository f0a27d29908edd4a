"""Google's store and Azure's, as emulators on this machine speak their APIs (`benchmarks/emulators.py`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.emulators import AT_GOOGLES, AZURITE, HAS_GCS, azurite_server, gcs_server
from ucvgl.images import azure, retries
from ucvgl.images.connections import forget_connections


@pytest.fixture(scope="module")
def google() -> Iterator[dict[str, str]]:
    """The environment in which Google's store is found."""
    if not HAS_GCS:
        pytest.skip("gcp-storage-emulator is not installed: pip install '.[dev]'")
    with gcs_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def azurite() -> Iterator[dict[str, str]]:
    """The environment in which Azure's store is found, with one container."""
    if not (AZURITE and azure.is_installed()):
        pytest.skip("UCVGL_AZURITE names no Azurite, or '.[azure]' is not installed")
    with azurite_server() as environment:
        from azure.storage.blob import BlobServiceClient

        (told,) = environment.values()
        BlobServiceClient.from_connection_string(told).create_container("bucket")
        yield environment


@pytest.fixture
def at_google(google: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place in a bucket of Google's for one test."""
    yield from _place(AT_GOOGLES, google, monkeypatch, request)


@pytest.fixture
def in_azure(azurite: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place in a container of Azure's for one test."""
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.05)
    yield from _place("abfs://bucket", azurite, monkeypatch, request)


@pytest.fixture(params=["at_google", "in_azure"])
def place(request: pytest.FixtureRequest) -> str:
    """A place in either for one test."""
    return request.getfixturevalue(request.param)


def _place(
    bucket: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_connections()
    yield f"{bucket}/{request.node.name.partition('[')[0]}"
    forget_connections()
