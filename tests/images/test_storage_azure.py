"""The same storage in Azure, as Azurite speaks it; `benchmarks/emulators.py` says how to install that."""

from __future__ import annotations

import io
import os
import threading
from collections import Counter

import pytest

from ucvgl.images import azure
from ucvgl.images.azure import Account, account_of, container_of
from ucvgl.images.connections import forget_connections
from ucvgl.images.retries import StorageError
from ucvgl.images.storage import list_files, locate, read, write
from ucvgl.images.uris import join


def test_the_account_may_stand_in_the_uri(in_azure):
    write(join(in_azure, "a"), b"one")
    assert read(join("abfs://bucket@devstoreaccount1.dfs.core.windows.net", f"{in_azure[14:]}/a")) == b"one"


def test_a_record_is_never_gone_while_it_is_written_anew(in_azure):
    write(join(in_azure, "record"), b"0")
    seen, over = Counter(), threading.Event()

    def look() -> None:
        while not over.is_set():
            seen[read(join(in_azure, "record")).isdigit()] += 1

    looking = threading.Thread(target=look)
    looking.start()
    for k in range(100):
        write(join(in_azure, "record"), str(k % 10).encode())
    over.set()
    looking.join()
    assert seen[True] > 10 and not seen[False]


def test_a_file_that_breaks_off_leaves_what_was_there(in_azure):
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 9_000_000:
                raise OSError("the disk broke")
            return super().read(size)

    write(join(in_azure, "a"), b"whole")
    with pytest.raises(OSError, match="the disk broke"):
        azure.put("bucket", join(in_azure, "a").removeprefix("abfs://bucket/"), Torn(bytes(20_000_000)))
    assert read(join(in_azure, "a")) == b"whole"


def test_faults_are_told_in_plain_words(in_azure, monkeypatch):
    with pytest.raises(StorageError, match="abfs://buckt does not exist; check its name"):
        write("abfs://buckt/a", b"x")
    told = os.environ[azure.CONNECTION]
    monkeypatch.setenv(azure.CONNECTION, told.replace("AccountKey=Eby8", "AccountKey=Eby9"))
    forget_connections()
    for call in (read, list_files, lambda uri: write(uri, b"x")):
        with pytest.raises(StorageError, match="access denied|refuses the credentials"):
            call(in_azure)


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
