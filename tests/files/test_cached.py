"""A run in an S3 server and several folders that stand for machines: whatever one makes, each of the others has."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ucvgl.atomic import write_array, write_whole
from ucvgl.commands.cache import cache
from ucvgl.files import cached, room, tree
from ucvgl.files.arrivals import Arrivals
from ucvgl.files.names import DONE, OWNER
from ucvgl.files.parts import list_parts, numbered_parts
from ucvgl.files.tree import Tree
from ucvgl.images import image_store
from ucvgl.images.image_store import ImageStore, count_images, shard_path, write_shard
from ucvgl.images.storage import delete, list_files, read, write
from ucvgl.retrieval.vectors import Stored
from ucvgl.run.mirror import Mirror
from ucvgl.run.places import folder_to_read
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), np.uint8)
IDS = [f"image{k}" for k in range(7)]


@pytest.fixture
def uri(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path))
    monkeypatch.setattr(tree, "PAUSE_S", 0.0)
    monkeypatch.setattr(room, "twin", lambda sums, aside: "")  # each folder here stands for a machine of its own
    room._known.clear()
    yield f"s3://{bucket}/runs/mine"
    cached._trees.clear()


def machine(tmp_path: Path, name: str, uri: str) -> Path:
    """The folder in which the run appears on a machine that works for it."""
    return cached.attach(Tree(tmp_path / name, uri, own=False, eager=True)).folder


def driver(tmp_path: Path, uri: str, name: str = "driver") -> Mirror:
    (tmp_path / name).mkdir(exist_ok=True)
    mirror = Mirror(tmp_path / name, uri, every_s=1e9)
    mirror.fetch()
    return mirror


def fetched(folder: Path) -> int:
    return sum(arrival.size for arrival in Arrivals(folder).all().values() if arrival.fetched)


def test_a_stage_that_other_machines_make_is_whole_and_lies_in_the_bucket_alone(uri, tmp_path):
    one, two = (machine(tmp_path, name, uri) for name in ("one", "two"))
    with driver(tmp_path, uri) as mirror, RunDir(tmp_path / "driver", Experiment()) as run:

        def build(folder: Path) -> None:
            with cached.handed_over(folder, far=True):
                for shard, at in enumerate((one, two)):
                    write_shard(at / folder.name / "store", shard, IDS[shard::2], PIXELS[shard::2])
                write_whole(one / folder.name / "store" / "bad-00000.json", "[]")
            (folder / "mine").write_text("the driver's own")
            assert ImageStore(folder / "store").ids.tolist() == IDS[::2] + IDS[1::2]

        stage = run.make("1_a", build, settings={})
        there, here = run.path / "1_a" / "store", sorted(path.name for path in stage.rglob("*") if path.is_file())
        assert here == [DONE, "bad-00000.json", "mine"], "the driver has fetched images to list them"
        assert [count_images(path) for path in image_store.shards_of(there)] == [4, 3]
        np.testing.assert_array_equal(ImageStore(there).read([0, 4]), PIXELS[:2])
        assert [path.name for path in there.iterdir()] == ["bad-00000.json"], "for two images a shard has come"
        cached.all_here(image_store.shards_of(there))
        mirror.push()
    parts = list_parts(stage)
    assert {name: part["sha256"] for name, part in parts.items()} == {
        name: part["sha256"] for name, part in _record(uri)["parts"].items()
    }
    assert sorted(parts) == ["mine", "store/bad-00000.json", "store/part-00000.arrow", "store/part-00001.arrow"]
    assert not [place for place in list_files(uri) if place.startswith(".sums")], "marks outlive the stage"


def _record(uri: str) -> dict:
    return json.loads(read(f"{uri}/1_a/{DONE}"))


def made(tmp_path: Path, uri: str) -> None:
    """A finished stage of two parts with descriptors, by a machine that is gone."""
    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:

        def build(folder: Path) -> None:
            for number in range(2):
                write_array(folder / f"part-{number:05d}.npy", np.full((3, 2), number, np.float32))

        run.make("1_a", build, settings={})


def test_a_file_is_fetched_once_per_machine_and_what_is_told_of_it_needs_no_fetch(uri, tmp_path):
    made(tmp_path, uri)
    folder = machine(tmp_path, "one", uri)
    parts = numbered_parts(folder / "1_a", "part-*.npy")
    assert Stored.of(parts).span == (0, 6) and not fetched(folder)
    again = multiprocessing.get_context("fork")
    readers = [again.Process(target=cached.here, args=(part,)) for part in parts for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert Arrivals(folder).all().keys() == {"1_a/part-00000.npy", "1_a/part-00001.npy"}
    lines = (folder / ".arrivals").read_text().splitlines()
    assert len(lines) == 2, "processes of one machine have fetched the same file"
    np.testing.assert_array_equal(np.load(cached.here(parts[1])), np.ones((3, 2), np.float32))


@pytest.fixture
def store(uri: str, tmp_path: Path) -> Path:
    """A finished stage of four shards of images, on a machine that has none of them yet."""
    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:

        def build(folder: Path) -> None:
            for shard in range(4):
                write_shard(folder, shard, IDS[shard::4], PIXELS[shard::4])

        run.make("1_a", build, settings={})
    return machine(tmp_path, "one", uri) / "1_a"


ORDER = np.concatenate([np.arange(7)[shard::4] for shard in range(4)])


def bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    """Leave the cache room for so many bytes more."""
    monkeypatch.setenv("UCVGL_CACHE_GB", str((room.size_of(tmp_path) + more) / 1e9))
    room._known.clear()


def test_a_store_that_does_not_fit_into_the_cache_is_read_image_by_image(store, tmp_path, monkeypatch):
    bound(tmp_path, monkeypatch, 2000)
    images = ImageStore(store)
    rows = [6, 0, 3, 3, 2]
    np.testing.assert_array_equal(images.read(rows), PIXELS[ORDER][rows])
    assert images.ids[rows].tolist() == [IDS[ORDER[row]] for row in rows]
    assert not [*store.glob("*.arrow")], "a shard has come"
    bound(tmp_path, monkeypatch, 100_000)
    np.testing.assert_array_equal(ImageStore(store).read(rows), PIXELS[ORDER][rows])
    assert len([*store.glob("*.arrow")]) == 4, "a store that fits has not come whole"


def test_shards_that_are_read_one_after_the_other_pass_through_a_cache_that_holds_one(store, tmp_path, monkeypatch):
    shards = image_store.shards_of(store)
    cached.here(shards[0])
    bound(tmp_path, monkeypatch, shards[0].stat().st_size // 2)
    for number, shard in enumerate(shards):
        ids, images = image_store.read_shard(shard)
        assert ids == IDS[number::4]
        np.testing.assert_array_equal(images, PIXELS[number::4])
    assert [path.name for path in store.glob("*.arrow")] == [shards[-1].name]


def test_descriptors_that_do_not_fit_into_the_cache_pass_through_it(uri, tmp_path, monkeypatch):
    vectors = np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32)

    def build(folder: Path) -> None:
        for number in range(6):
            write_array(folder / f"part-{number:05d}.npy", vectors[50 * number : 50 * number + 50])

    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:
        run.make("1_a", build, settings={})
    folder = machine(tmp_path, "one", uri) / "1_a"
    parts = numbered_parts(folder, "*.npy")
    assert len(parts) == 6
    bound(tmp_path, monkeypatch, 3 * 3400)
    stored = Stored.of(parts)
    space = stored.room(70)
    for _ in range(2):  # waves of references, each of which is asked by all queries
        for start in range(0, 300, 70):
            stop = min(start + 70, 300)
            np.testing.assert_array_equal(stored.read(start, stop, space), vectors[start:stop])
        found = [piece.copy() for start in range(0, 300, 70) for _, piece in stored.pieces(start, min(start + 70, 300))]
        np.testing.assert_array_equal(np.concatenate(found), vectors)
    assert room.size_of(tmp_path / "one") < 4 * 3400
    monkeypatch.setattr(cached, "here", dropped_once(cached.here))
    np.testing.assert_array_equal(stored.read(0, 50, space), vectors[:50])


def dropped_once(here: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """As where another process makes room between the fetching of a file and its opening."""
    left = [True]

    def look(path: Path) -> Path:
        found = here(path)
        if left:
            left.clear()
            path.unlink()
        return found

    return look


def test_a_shard_of_an_older_version_comes_whole_when_an_image_is_asked_for(uri, tmp_path, monkeypatch):
    def build(folder: Path) -> None:
        written = pa.ipc.open_file(write_shard(folder, 0, IDS, PIXELS)).read_all()
        told = {key: value for key, value in written.schema.metadata.items() if key != b"crc32_of_each"}
        older = written.replace_schema_metadata(told)
        with pa.ipc.new_file(str(folder / "part-00000.arrow"), older.schema) as file:
            file.write_table(older)

    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:
        run.make("1_a", build, settings={})
    store = machine(tmp_path, "one", uri) / "1_a"
    bound(tmp_path, monkeypatch, 10)
    images = ImageStore(store)
    assert images.ids.tolist() == IDS and not [*store.glob("*.arrow")], "ids alone have cost the pixels"
    bound(tmp_path, monkeypatch, 100_000)
    np.testing.assert_array_equal(images.read([3, 0, 3]), PIXELS[[3, 0, 3]])


def test_what_other_processes_have_fetched_since_leaves_no_room(store, tmp_path, monkeypatch):
    bound(tmp_path, monkeypatch, 5000)
    assert room.spare() > 4000
    (tmp_path / "theirs").write_bytes(bytes(3000))
    assert room.spare() < 2500


def test_an_image_that_was_changed_in_the_bucket_is_not_taken(store, uri, tmp_path, monkeypatch):
    place = f"{uri}/1_a/part-00001.arrow"
    right = bytearray(read(place))
    right[right.index(PIXELS[5].tobytes()) + 7] ^= 1
    write(place, bytes(right))
    bound(tmp_path, monkeypatch, 2000)
    images = ImageStore(store)
    images.read([row for row in range(7) if ORDER[row] != 5])
    with pytest.raises(ValueError, match=r"image 1 of .*part-00001.arrow is not what was made"):
        images.read([3])


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7, 3), (4, 6, 3), (8, 8, 3)])
def test_an_image_is_found_in_a_shard_whatever_its_size(uri, tmp_path, monkeypatch, shape):
    pixels = np.random.default_rng(1).integers(0, 256, (9, *shape), np.uint8)
    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:
        ids = ["i" * (1 + number**2) for number in range(9)]
        run.make("1_a", lambda folder: write_shard(folder, 0, ids, pixels) and None, settings={})
    store = machine(tmp_path, "one", uri) / "1_a"
    bound(tmp_path, monkeypatch, 10)
    np.testing.assert_array_equal(ImageStore(store).read(range(9)), pixels)
    assert not [*store.glob("*.arrow")]


def test_a_worker_beside_the_driver_fetches_a_store_once_and_maps_it(uri, tmp_path):
    with driver(tmp_path, uri, "gone"), RunDir(tmp_path / "gone", Experiment()) as run:

        def build(folder: Path) -> None:
            for shard in range(2):
                write_shard(folder, shard, IDS[shard::2], PIXELS[shard::2])

        run.make("1_a", build, settings={})
    with driver(tmp_path, uri) as mirror:
        folder, owner = mirror.folder, (mirror.folder / OWNER).read_text()
        assert len(ImageStore(folder / "1_a")) == 7 and not fetched(folder), "the driver needs no pixels to count"
        cached.detach(mirror.tree)  # as in another process
        cached.resolved.cache_clear()
        assert cached.resolved(uri, str(folder), owner) == folder
        store = ImageStore(folder / "1_a")
        assert all(path.exists() for path in store.shards) and len(store._images) == 2
        np.testing.assert_array_equal(store.read([0, 4]), PIXELS[:2])


@pytest.mark.parametrize("damage", ["cut", "changed", "not noted"])
def test_a_torn_cache_is_mended(uri, tmp_path, damage):
    made(tmp_path, uri)
    folder = machine(tmp_path, "one", uri)
    part = cached.here(folder / "1_a" / "part-00000.npy")
    right = part.read_bytes()
    if damage == "not noted":
        part.write_bytes(bytes(len(right)))
        with (folder / ".arrivals").open("w") as file:
            file.write('["1_a/part-00000.npy", 15')
    else:
        part.write_bytes(right[:-1] if damage == "cut" else bytes(len(right)))
    again = machine(tmp_path, "one", uri)
    assert cached.here(again / "1_a" / "part-00000.npy").read_bytes() == right


def test_what_does_not_fit_its_digest_is_not_taken(uri, tmp_path):
    made(tmp_path, uri)
    write(f"{uri}/1_a/part-00000.npy", bytes(len(read(f"{uri}/1_a/part-00000.npy"))))
    folder = machine(tmp_path, "one", uri)
    with pytest.raises(ValueError, match=r"part-00000.npy is not what was made \(its digest differs\).*--redo 1_a"):
        cached.here(folder / "1_a" / "part-00000.npy")
    assert not [path for path in (folder / "1_a").iterdir()], "something wrong was left there"


def test_machines_that_write_one_name_agree_on_the_content_that_came_last(uri, tmp_path):
    one, two, three = (machine(tmp_path, name, uri) for name in ("one", "two", "three"))
    for at, content in ((one, 1.0), (two, 2.0)):
        write_array(at / "1_a.partial" / "part-00000.npy", np.full((3, 2), content, np.float32))
    assert np.load(cached.here(three / "1_a.partial" / "part-00000.npy"))[0, 0] == 2
    own = cached.attach(Tree(tmp_path / "driver", uri, own=True))
    (part,) = list_parts(own.folder / "1_a.partial").values()
    assert part["sha256"] == tree.digest(three / "1_a.partial" / "part-00000.npy")


def test_a_machine_that_dies_before_its_file_has_its_name_leaves_none(uri, tmp_path, monkeypatch):
    one, two = (machine(tmp_path, name, uri) for name in ("one", "two"))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tree, "copy_out", dies)
    with pytest.raises(KeyboardInterrupt):
        write_array(one / "1_a.partial" / "part-00000.npy", np.zeros((3, 2), np.float32))
    assert cached.missing([two / "1_a.partial" / "part-00000.npy"])
    assert cached.listed(two / "1_a.partial", "part-*.npy") == []
    monkeypatch.undo()
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path))


def test_what_was_made_before_it_was_made_again_is_not_taken_for_it(uri, tmp_path):
    """The cache still has a part of an earlier attempt, of the same name and size."""
    one, two = (machine(tmp_path, name, uri) for name in ("one", "two"))
    part = Path("1_a.partial", "part-00000.npy")
    write_array(one / part, np.zeros((3, 2), np.float32))
    cached.here(two / part)
    cached.remove(one / part.parent)
    assert not cached.exists(two / part), "what the bucket lacks counts as made"
    write_array(one / part, np.ones((3, 2), np.float32))
    machine(tmp_path, "two", uri)
    assert np.load(cached.here(two / part))[0, 0] == 1


def test_a_checkpoint_is_the_newest_and_goes_when_it_is_not_needed(uri, tmp_path):
    one, two = (machine(tmp_path, name, uri) for name in ("one", "two"))
    path = Path("1_a.partial", "fit.checkpoint")
    assert not cached.renewed(two / path)
    for step in ("10", "20"):
        write_whole(one / path, step)
        assert cached.renewed(two / path) and (two / path).read_text() == step
    cached.remove(two / path)
    assert not cached.renewed(one / path)


def test_a_cache_has_a_bound_and_drops_what_was_opened_longest_ago(uri, tmp_path, monkeypatch):
    made(tmp_path, uri)
    folder = machine(tmp_path, "one", uri)
    size = len(read(f"{uri}/1_a/part-00000.npy"))
    first, second = (folder / "1_a" / f"part-{number:05d}.npy" for number in range(2))
    cached.here(first)
    taken = room.size_of(tmp_path)
    monkeypatch.setenv("UCVGL_CACHE_GB", str((taken + size / 2) / 1e9))
    room._known.clear()
    with pytest.raises(ValueError, match="the cache .* all of it is in use.*UCVGL_CACHE_GB"):
        cached.here(second)
    os.utime(first, ns=(time.time_ns() - int(2e9 * room.IN_USE_S), first.stat().st_mtime_ns))
    cached.here(second)
    assert second.exists() and not first.exists()
    assert (tmp_path / "gone" / "1_a" / "part-00000.npy").exists(), "what nobody fetched was dropped"


def test_a_run_whose_prefix_was_copied_is_the_same_run(uri, bucket, tmp_path):
    made(tmp_path, uri)
    moved = f"s3://{bucket}/elsewhere"
    for place in list_files(uri):
        content = read(f"{uri}/{place}")
        assert str(tmp_path).encode() not in content, f"{place} holds a path of this machine"
        write(f"{moved}/{place}", content)
        delete(f"{uri}/{place}")
    folder = machine(tmp_path, "one", moved)
    assert Stored.of(numbered_parts(folder / "1_a", "part-*.npy")).span == (0, 6)


def test_a_path_outside_is_left_alone(tmp_path):
    path = shard_path(tmp_path, 0)
    assert cached.here(path) == path and cached.missing([path]) == [path] and not cached.in_bucket(path)


def test_a_machine_that_does_not_see_a_run_in_a_folder_refuses_to_work_for_it(uri, tmp_path):
    cached.refuse_unseen(tmp_path)
    cached.refuse_unseen(machine(tmp_path, "one", uri) / "1_a.partial")
    with pytest.raises(ValueError, match=r"absent is not on .*--run s3://\.\.\., or a folder that all of them see"):
        cached.refuse_unseen(tmp_path / "absent")


def test_the_cache_is_shown_and_cleared_and_a_run_is_read_from_the_bucket(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path / "cache"))
    made(tmp_path, uri)
    there = list_files(uri)
    run = folder_to_read(uri)
    assert folder_to_read(uri) == run and list_files(uri) == there, "to read is to write"
    assert run == cached.folder_of(uri) and (run / "config.yaml").is_file() and not fetched(run)
    part = numbered_parts(run / "1_a", "part-*.npy")[0]
    assert cached.here(part).exists()
    assert "1 files, 0.000 GB" in cache() and str(tmp_path / "cache") in cache()
    assert "dropped" in cache((uri,), clear=True) and not part.exists()
    assert np.load(cached.here(part)).shape == (3, 2)
