"""One cache for several runs: what lies there for one of them is there for all that hold the same."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ucvgl.files import cached, room
from ucvgl.files.arrivals import Arrivals
from ucvgl.files.tree import Tree
from ucvgl.images.storage import write
from ucvgl.run.mirror import Mirror
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment

SHARD = "2_project/part-00000.arrow"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of a machine that has just begun."""
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path / "cache"))
    for known in (room._known, room._looked, room._trees):
        known.clear()
    yield tmp_path / "cache"
    cached._trees.clear()


@pytest.fixture
def runs(bucket: str, tmp_path: Path) -> list[str]:
    """Two runs that made the same, and a third that did not."""

    def build(content: bytes):
        def make(folder: Path) -> None:
            (folder / "part-00000.arrow").write_bytes(content)

        return make

    uris = [f"s3://{bucket}/runs/{name}" for name in "abc"]
    for uri, content in zip(uris, (b"same" * 1000, b"same" * 1000, b"else" * 1000), strict=True):
        folder = tmp_path / uri[-1]
        folder.mkdir()
        mirror = Mirror(folder, uri, every_s=1e9)
        mirror.fetch()
        with mirror, RunDir(folder, Experiment()) as run:
            run.make("2_project", build(content), settings={})
    return uris


def shard_of(cache: Path, uri: str) -> Path:
    room._looked.clear()  # as after a while
    tree = cached.attach(Tree(cache / uri[-1], uri, own=False))
    return cached.here(tree.folder / SHARD)


def test_a_file_that_another_run_has_in_the_cache_is_linked_and_not_fetched(cache, runs):
    one, two, other = (shard_of(cache, uri) for uri in runs)
    assert one.samefile(two) and two.read_bytes() == b"same" * 1000 and other.read_bytes() == b"else" * 1000
    assert [Arrivals(cache / name).all()[SHARD].fetched for name in "abc"] == [True, False, True]
    assert sum(room.size_of(path.parent) for path in (one, two, other)) == 8000, "what has two names is there once"


def test_many_files_that_come_at_once_are_all_linked(cache, bucket, tmp_path, monkeypatch):
    def build(folder: Path) -> None:
        for shard in range(8):
            (folder / f"part-{shard}.arrow").write_bytes(bytes([shard]) * 100)

    found = []
    for name in "ab":
        (tmp_path / name).mkdir()
        mirror = Mirror(tmp_path / name, f"s3://{bucket}/runs/{name}", every_s=1e9)
        mirror.fetch()
        with mirror, RunDir(tmp_path / name, Experiment()) as run:
            run.make("2_project", build, settings={})
    look, looks = room.trees, []
    monkeypatch.setattr(room, "trees", lambda: (looks.append(1), time.sleep(0.2), look())[-1])
    monkeypatch.setattr(room, "LOOK_AGAIN_S", 1e9)
    for name in "ab":
        room._looked.clear()
        tree = cached.attach(Tree(cache / name, f"s3://{bucket}/runs/{name}", own=False))
        tree.bring_all([tree.folder / "2_project" / f"part-{shard}.arrow" for shard in range(8)])
        found.append({arrival.fetched for place, arrival in tree.arrivals.all().items() if place.endswith(".arrow")})
    assert found == [{True}, {False}]
    assert len(looks) == 2, "others did not wait for what one finds"


def test_a_linked_file_makes_room_when_the_last_of_its_names_goes(cache, runs, monkeypatch):
    files = [shard_of(cache, uri) for uri in runs]
    for path in files[:2]:
        os.utime(path, ns=(0, path.stat().st_mtime_ns))
    taken = room.size_of(cache)
    monkeypatch.setenv("UCVGL_CACHE_GB", str((taken + 10) / 1e9))
    room._known.clear()
    room.make(3000)
    assert [path.exists() for path in files] == [False, False, True]


@pytest.mark.parametrize("damage", ["cut off", "changed"])
def test_a_damaged_file_of_another_run_is_not_taken(cache, runs, damage):
    one = shard_of(cache, runs[0])
    one.write_bytes(b"same" * 999 if damage == "cut off" else b"worn" * 1000)
    assert shard_of(cache, runs[1]).read_bytes() == b"same" * 1000
    assert not [*(cache / "b").rglob(".part*")]


def test_a_file_without_a_known_digest_is_not_looked_for(cache, runs):
    write(f"{runs[0]}/1_begun/BEGUN.json", json.dumps({}).encode())
    write(f"{runs[0]}/1_begun/note", b"1")
    tree = cached.attach(Tree(cache / "a", runs[0], own=False))
    assert cached.here(tree.folder / "1_begun.partial" / "note").read_text() == "1"
    assert not room._looked
