"""The same storage against OpenStack Swift, which verifies signatures and keeps its data on disk.

It is no part of the project's environment: `benchmarks/swift_server.py` says how to install it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import use

from benchmarks.object_store import ObjectStore
from benchmarks.swift_server import swift_server
from ucvgl.images.retries import StorageError
from ucvgl.images.storage import copy_in, copy_out, list_files, locate, read, read_ahead, write
from ucvgl.run.mirror import Mirror

PROGRAMS = os.environ.get("UCVGL_SWIFT", "")
pytestmark = [
    pytest.mark.swift,
    pytest.mark.skipif(not PROGRAMS, reason="UCVGL_SWIFT does not say where the programs of OpenStack Swift are"),
]


@pytest.fixture(scope="module")
def swift() -> Iterator[ObjectStore]:
    with swift_server(Path(PROGRAMS).resolve()) as store:
        store.client().create_bucket(Bucket="bucket")
        yield store


@pytest.fixture(autouse=True)
def credentials(swift: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    use(swift, monkeypatch)


def test_a_large_file_is_written_in_parts_and_read_in_ranges(tmp_path):
    data = np.random.default_rng(0).bytes(23_000_000)
    (tmp_path / "large").write_bytes(data)
    assert copy_out(tmp_path / "large", "s3://bucket/parts/large")
    filesystem, path = locate("s3://bucket/parts/large")
    with filesystem.open_input_file(path) as file:
        for start in (0, 11_999_990, 22_999_000):
            file.seek(start)
            assert file.read(1000) == data[start : start + 1000]
    copy_in("s3://bucket/parts/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_a_listing_of_two_pages_is_whole(swift):
    client = swift.client()
    keys = [f"pages/{k % 2}/{k:04d} #%.jpg" for k in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: client.put_object(Bucket="bucket", Key=key, Body=key.encode()), keys))
    assert sorted(list_files("s3://bucket/pages")) == sorted(key.removeprefix("pages/") for key in keys)
    some = [f"s3://bucket/{key}" for key in keys[::25]]
    assert [result().decode() for result in read_ahead(some)] == keys[::25]


def test_a_wrong_secret_is_told_and_not_repeated(swift, monkeypatch):
    use(replace(swift, secret="guessed"), monkeypatch)
    with pytest.raises(StorageError, match="s3://bucket refuses the credentials .SIGNATURE_DOES_NOT_MATCH") as listing:
        list_files("s3://bucket/pages")
    with pytest.raises(StorageError, match="s3://bucket/a: access denied"):
        read("s3://bucket/a")
    with pytest.raises(StorageError, match="refuses the credentials|access denied"):
        write("s3://bucket/a", b"x")
    assert "guessed" not in str(listing.value)


def test_a_run_is_copied_and_fetched(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    with Mirror(one, "s3://bucket/runs/a", every_s=1e9):
        (one / "1_a").mkdir()
        (one / "1_a" / "DONE.json").write_text("{}")
        (one / "1_a" / "part").write_bytes(b"x" * 1000)
    Mirror(two, "s3://bucket/runs/a").fetch()
    assert (two / "1_a" / "part").read_bytes() == b"x" * 1000
    assert (two / "1_a" / "DONE.json").exists()
