"""The same storage against Google's JSON API, as an emulator speaks it; pyarrow's client is the real one."""

from __future__ import annotations

import socket
import time

import pytest

from ucvgl.images import connections, retries
from ucvgl.images.connections import forget_connections
from ucvgl.images.retries import StorageError, patiently
from ucvgl.images.storage import list_files, list_folders, locate, read, write
from ucvgl.images.uris import join


def test_folders_are_seen_that_no_object_stands_for(at_google):
    for name in ("top", "a/1", "a/b/2", "c/3"):
        write(join(at_google, name), name.encode())
    assert list_files(at_google) == {"top": 3, "a/1": 3, "a/b/2": 5, "c/3": 3}
    assert list_files(at_google, recursive=False) == {"top": 3}
    assert list_folders(at_google) == {"a", "c"}
    locate(at_google)[0].create_dir(locate(at_google)[1] + "/c")  # as Google's console does, as an object
    assert list_files(at_google) == {"top": 3, "a/1": 3, "a/b/2": 5, "c/3": 3}
    assert list_files(at_google, recursive=False) == {"top": 3}
    assert list_folders(at_google) == {"a", "c"}


def test_a_server_that_is_away_is_told_within_the_patience(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(connections, "GOOGLE_S", 1)
    monkeypatch.setattr(retries, "GIVE_UP_S", 1.0)
    forget_connections()
    began = time.monotonic()
    with pytest.raises(StorageError, match="gs://anonymous@bucket/a cannot be reached"):
        read("gs://anonymous@bucket/a")
    assert time.monotonic() - began < 60
    forget_connections()


def test_a_bucket_that_is_not_there_is_no_missing_file():
    def ask() -> None:
        raise FileNotFoundError(
            2, "google::cloud::Status(NOT_FOUND: Permanent error, with a last message of The specified bucket does not "
            "exist. error_info={reason=notFound})"
        )  # fmt: skip

    with pytest.raises(StorageError, match="gs://buckt does not exist; check its name"):
        patiently(ask, "gs://buckt/a")
