"""The same storage against Google's JSON API, as an emulator speaks it; pyarrow's client is the real one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.emulators import AT_GOOGLES, HAS_GCS, gcs_server
from ucvgl.files import cached
from ucvgl.files.tree import Tree, digest
from ucvgl.images import connections, retries
from ucvgl.images.connections import forget_connections
from ucvgl.images.folder import read_catalog
from ucvgl.images.retries import StorageError, patiently
from ucvgl.images.storage import (
    copy_in,
    copy_out,
    delete,
    delete_folder,
    exists,
    list_files,
    list_folders,
    locate,
    open_there,
    peek,
    read,
    read_ahead,
    write,
)
from ucvgl.images.store_copy import copy_there
from ucvgl.images.uris import join
from ucvgl.run.mirror import Mirror

emulated = pytest.mark.skipif(not HAS_GCS, reason="gcp-storage-emulator is not installed: pip install '.[dev]'")


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with gcs_server() as environment:
        yield environment


@pytest.fixture
def place(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place in a bucket for one test."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    forget_connections()
    yield f"{AT_GOOGLES}/{request.node.name}"
    forget_connections()


@emulated
def test_what_is_written_is_read_whatever_its_name(place):
    names = {"a": b"one", "b/empty": b"", "b/odd #%?é ü+&.txt": b"odd", "b/c/deep": b"x" * 100}
    for name, data in names.items():
        write(join(place, name), b"before")
        write(join(place, name), data)
    assert {name: read(join(place, name)) for name in names} == names
    assert [result() for result in read_ahead(join(place, name) for name in names)] == list(names.values())
    assert peek(join(place, "b/c/deep"), lambda file: file.read(3)) == b"xxx"
    assert exists(join(place, "a")) and not exists(join(place, "b")) and not exists(join(place, "none"))
    delete(join(place, "a"))
    delete(join(place, "a"))
    with pytest.raises(FileNotFoundError):
        read(join(place, "a"))


@emulated
def test_folders_are_seen_that_no_object_stands_for(place):
    for name in ("top", "a/1", "a/b/2", "c/3"):
        write(join(place, name), name.encode())
    assert list_files(place) == {"top": 3, "a/1": 3, "a/b/2": 5, "c/3": 3}
    assert list_files(place, recursive=False) == {"top": 3}
    assert list_folders(place) == {"a", "c"}
    locate(place)[0].create_dir(locate(place)[1] + "/c")  # as Google's console does, as an object
    assert list_files(place) == {"top": 3, "a/1": 3, "a/b/2": 5, "c/3": 3}
    assert list_files(place, recursive=False) == {"top": 3}
    assert list_folders(place) == {"a", "c"}


@emulated
def test_a_folder_that_is_not_there_is_told(place):
    for call in (list_files, list_folders):
        with pytest.raises(FileNotFoundError):
            call(join(place, "none"))


@emulated
def test_the_images_of_a_folder_of_folders_are_found(place):
    for name in ("query/a/1.jpg", "query/b/2.jpg", "reference/c/d/3.jpg"):
        write(join(place, name), b"not looked at")
    catalog = read_catalog(place, "train", queries="query", references="reference")
    assert [len(catalog.queries), len(catalog.references)] == [2, 1]


@emulated
def test_a_large_file_comes_and_goes_and_is_copied_there(place, tmp_path):
    data = np.random.default_rng(0).bytes(23_000_000)
    (tmp_path / "large").write_bytes(data)
    assert copy_out(tmp_path / "large", join(place, "large"))
    with open_there(join(place, "large")) as file:
        for start in (0, 11_999_990, 22_999_000):
            assert file.read_at(1000, start) == data[start : start + 1000]
    copy_there(join(place, "large"), join(place, "copy/large"), len(data))
    copy_in(join(place, "copy/large"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


@emulated
def test_a_folder_is_deleted_by_two_at_once(place):
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: write(join(place, f"{k % 3}/{k}"), b"x"), range(60)))
        write(join(place, "../other").replace("/../", "-"), b"stays")
        list(pool.map(delete_folder, [place, place, place]))
    with pytest.raises(FileNotFoundError):
        list_files(place)
    assert read(f"{place}-other") == b"stays"
    delete_folder(place)


@emulated
def test_a_run_is_copied_and_fetched_and_worked_on_elsewhere(place, tmp_path, monkeypatch):
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path / "cache"))
    one, two, worker = tmp_path / "one", tmp_path / "two", tmp_path / "cache" / "worker"
    for folder in (one, two):
        folder.mkdir()
    with Mirror(one, place, every_s=1e9) as mirror:
        (one / "1_a.partial").mkdir()
        (one / "1_a.partial" / "BEGUN.json").write_text("{}")
        (one / "1_a.partial" / "part.npy").write_bytes(b"x" * 1000)
        mirror.tree.share()
        tree = cached.attach(Tree(worker, place, own=False, eager=True))
        try:
            assert cached.here(worker / "1_a.partial" / "part.npy").read_bytes() == b"x" * 1000
            made = worker / "1_a.partial" / "made.npy"
            made.parent.mkdir(exist_ok=True)
            made.write_bytes(b"y" * 10)
            tree.upload(made, made)
            assert mirror.tree.elsewhere(one / "1_a.partial") == {"made.npy": (10, digest(made))}
            tree.forget(made)
            assert mirror.tree.elsewhere(one / "1_a.partial") == {}
        finally:
            cached.detach(tree)
        (one / "1_a.partial" / "DONE.json").write_text("{}")
        (one / "1_a.partial").rename(one / "1_a")
    Mirror(two, place).fetch()
    assert (two / "1_a" / "DONE.json").exists()
    assert list_folders(place) == {"1_a"}


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
