"""The same storage in Azure, as Azurite speaks it; `benchmarks/emulators.py` says how to install that."""

from __future__ import annotations

import io
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.emulators import AZURITE, azurite_server
from ucvgl.files import cached
from ucvgl.files.tree import Tree, digest
from ucvgl.images import azure, retries
from ucvgl.images.azure import Account, account_of, container_of
from ucvgl.images.connections import forget_connections
from ucvgl.images.folder import read_catalog
from ucvgl.images.retries import StorageError
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

emulated = pytest.mark.skipif(
    not (AZURITE and azure.is_installed()), reason="UCVGL_AZURITE names no Azurite, or '.[azure]' is not installed"
)


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with azurite_server() as environment:
        from azure.storage.blob import BlobServiceClient

        (told,) = environment.values()
        BlobServiceClient.from_connection_string(told).create_container("bucket")
        yield environment


@pytest.fixture
def place(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place in a container for one test."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.05)
    forget_connections()
    yield f"abfs://bucket/{request.node.name}"
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
    assert list_files(place) == {name: len(data) for name, data in names.items()}
    assert list_files(place, recursive=False) == {"a": 3}
    assert list_folders(place) == {"b"}
    assert read(join("abfs://bucket@devstoreaccount1.dfs.core.windows.net", f"{place[14:]}/a")) == b"one"
    delete(join(place, "a"))
    delete(join(place, "a"))
    with pytest.raises(FileNotFoundError):
        read(join(place, "a"))
    for call in (list_files, list_folders):
        with pytest.raises(FileNotFoundError):
            call(join(place, "none"))


@emulated
def test_a_record_is_never_gone_while_it_is_written_anew(place):
    write(join(place, "record"), b"0")
    seen, over = Counter(), threading.Event()

    def look() -> None:
        while not over.is_set():
            seen[read(join(place, "record")).isdigit()] += 1

    looking = threading.Thread(target=look)
    looking.start()
    for k in range(100):
        write(join(place, "record"), str(k % 10).encode())
    over.set()
    looking.join()
    assert seen[True] > 10 and not seen[False]


@emulated
def test_a_file_that_breaks_off_leaves_what_was_there(place):
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 9_000_000:
                raise OSError("the disk broke")
            return super().read(size)

    write(join(place, "a"), b"whole")
    with pytest.raises(OSError, match="the disk broke"):
        azure.put("bucket", join(place, "a").removeprefix("abfs://bucket/"), Torn(bytes(20_000_000)))
    assert read(join(place, "a")) == b"whole"


@emulated
def test_images_below_folders_are_found(place):
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
    with pytest.raises(FileNotFoundError):
        copy_there(join(place, "none"), join(place, "copy/none"), 1)


@emulated
def test_a_folder_is_deleted_by_two_at_once(place):
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: write(join(place, f"{k % 3}/{k}"), b"x"), range(60)))
        write(f"{place}-other", b"stays")
        list(pool.map(delete_folder, [place, place, place]))
    assert not exists(join(place, "0/0"))
    assert read(f"{place}-other") == b"stays"
    delete_folder(place)


@emulated
def test_faults_are_told_in_plain_words(place, monkeypatch):
    with pytest.raises(StorageError, match="abfs://buckt does not exist; check its name"):
        write("abfs://buckt/a", b"x")
    told = os.environ[azure.CONNECTION]
    monkeypatch.setenv(azure.CONNECTION, told.replace("AccountKey=Eby8", "AccountKey=Eby9"))
    forget_connections()
    for call in (read, list_files, lambda uri: write(uri, b"x")):
        with pytest.raises(StorageError, match="access denied|refuses the credentials"):
            call(place)


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
    assert "1_a" in list_folders(place)


def test_the_account_is_in_the_uri_or_in_the_environment(monkeypatch):
    monkeypatch.delenv(azure.CONNECTION, raising=False)
    monkeypatch.delenv(azure.ACCOUNT, raising=False)
    assert container_of("city@mine.dfs.core.windows.net") == "city" == container_of("city")
    assert account_of("city@mine.dfs.core.windows.net") == Account("mine")
    assert account_of("city@mine.dfs.core.windows.net").url == "https://mine.blob.core.windows.net"
    assert account_of("city@mine.dfs.core.chinacloudapi.cn").server == ".blob.core.chinacloudapi.cn"
    with pytest.raises(StorageError, match="abfs://city names no storage account; write abfs://CONTAINER@ACCOUNT"):
        account_of("city")
    monkeypatch.setenv(azure.ACCOUNT, "mine")
    assert account_of("city") == Account("mine")
    monkeypatch.setenv(azure.CONNECTION, "AccountName=other;AccountKey=a2V5==;EndpointSuffix=core.windows.net")
    assert account_of("city") == Account("other", key="a2V5==")
    assert account_of("city@mine.dfs.core.windows.net") == Account("mine")
    assert locate("abfs://city@mine.dfs.core.windows.net/a/b")[1] == "city/a/b"
    monkeypatch.setenv(azure.CONNECTION, "AccountName=other;AccountKey=k;BlobEndpoint=http://127.0.0.1:10000/other")
    assert account_of("city").url == "http://127.0.0.1:10000/other"


def test_without_azures_client_nothing_is_begun(monkeypatch):
    monkeypatch.setattr(azure, "is_installed", lambda: False)
    monkeypatch.setenv(azure.ACCOUNT, "mine")
    forget_connections()
    with pytest.raises(StorageError, match=r"pip install 'ucvgl\[azure\]'"):
        write("abfs://city/a", b"x")
