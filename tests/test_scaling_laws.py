"""What work and memory cost with four times the images: counted, as a clock would measure the machine."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.index import nearest
from ucvgl.programs import matching
from ucvgl.programs.matching import match_shards, read_matched, shards
from ucvgl.retrieval.vectors import Stored
from ucvgl.training import batches
from ucvgl.training.batches import Pairs, epoch_order

MORE = 4
OPENED: list[str] = []
"""Files that Python has opened; nobody can take an audit hook back, so there is one."""
sys.addaudithook(lambda event, about: OPENED.append(str(about[0])) if event == "open" else None)


def times_opened(work: Callable[[], object], folder: Path) -> int:
    """How often files below a folder are opened."""
    OPENED.clear()
    work()
    return sum(path.startswith(str(folder)) for path in OPENED)


def held_open() -> int:
    """Files that this process holds open."""
    return len(os.listdir("/proc/self/fd"))


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that Python and NumPy had at a time beyond what there was."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def units(count: int, dimension: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(count).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def parts(folder: Path, vectors: np.ndarray, rows: int) -> list[Path]:
    folder.mkdir(parents=True)
    files = [folder / f"part-{first:05d}.npy" for first in range(0, len(vectors), rows)]
    for number, file in enumerate(files):
        np.save(file, vectors[number * rows : (number + 1) * rows])
    return files


@pytest.fixture
def stores(tmp_path: Path) -> list[Path]:
    """Two stores of images, of 4 and of 16 shards."""
    folders = [tmp_path / "few", tmp_path / "many"]
    for folder, count in zip(folders, (4, 4 * MORE), strict=True):
        for shard in range(count):
            ids = [f"{shard}-{row}" for row in range(8)]
            write_shard(folder, shard, ids, np.full((8, 16, 16, 3), shard, np.uint8))
    return folders


def test_a_store_holds_no_file_open_and_opens_none_to_read(stores: list[Path]) -> None:
    before = held_open()
    opened = [ImageStore(folder) for folder in stores]
    assert held_open() == before
    for store in opened:
        store.folder.rename(store.folder.with_name(f"{store.folder.name}, moved"))
        np.testing.assert_array_equal(store.read(np.arange(len(store)))[::8, 0, 0, 0], range(len(store.shards)))


def test_images_are_read_for_what_they_take_whatever_the_store_holds(stores: list[Path]) -> None:
    rows = np.random.default_rng(0).integers(0, 32, 16)
    few, many = (peak_bytes(partial(ImageStore(folder).read, rows)) for folder in stores)
    assert few >= 16 * 16 * 16 * 3 and many < 1.1 * few


def pairs_of(count: int, **more: np.ndarray) -> Pairs:
    """Every tile is shown by two queries."""
    random = np.random.default_rng(count)
    query, reference = random.permutation(count), random.permutation(np.arange(count) // 2)
    return replace(Pairs("label", ("query", "reference"), (Path("q"), Path("r")), query, reference), **more)


@pytest.fixture
def admitted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry for each time that a pair asks to join a batch."""
    asked: list[int] = []
    admit = batches._Batch.admit

    def counted(self: batches._Batch, *pair: int) -> bool:
        asked.append(pair[0])
        return admit(self, *pair)

    monkeypatch.setattr(batches._Batch, "admit", counted)
    yield asked


@pytest.mark.parametrize("hard", [False, True], ids=["any batches", "batches of neighbours"])
def test_a_pair_asks_for_a_batch_as_often_among_four_times_as_many(admitted: list[int], hard: bool) -> None:
    asked = []
    for count in (1000, 1000 * MORE):
        tiles = np.arange(count)[:, None] // 2
        near = {"neighbours": (tiles + np.arange(1, 9)) % (count // 2)} if hard else {}
        admitted.clear()
        order = epoch_order(pairs_of(count, **near), 32, (0,))
        assert sum(map(len, order)) > 0.95 * count
        asked.append(len(admitted) / count)
    assert asked[0] >= 1 and asked[1] < 1.1 * asked[0]


def test_an_epoch_of_four_times_the_pairs_takes_four_times_the_memory() -> None:
    few, many = (peak_bytes(partial(epoch_order, pairs_of(count), 32, (0,))) for count in (1000, 1000 * MORE))
    assert many < 1.1 * MORE * few


class Search(matching.Search):
    """Counts the blocks of queries that meet a set of references."""

    blocks = 0

    def _meet(self, *what: object) -> np.ndarray:
        Search.blocks += 1
        return super()._meet(*what)


def test_matching_streams_the_queries_once_past_each_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the references: four times the blocks and the files opened, each for a shard of one size, and no more
    memory at a time but for what each pair that is left takes."""
    monkeypatch.setattr(matching, "Search", Search)
    queries = Stored.of(parts(tmp_path / "queries", units(600), 100))
    opened, blocks, peaks = [], [], []
    for count in (500, 500 * MORE):
        folder = tmp_path / str(count)
        references = Stored.of(parts(folder / "references", units(count), 100))
        cuts = shards(count, workers=1, rows=250)
        how = {"queries": queries, "references": references, "k": 2, "device": torch.device("cpu")}

        def match(cuts=cuts, folder=folder, how=how) -> None:
            match_shards(cuts, folder=folder, log=lambda **_: None, **how)

        Search.blocks = 0
        peaks.append(peak_bytes(lambda match=match, folder=folder: opened.append(times_opened(match, tmp_path))))
        blocks.append(Search.blocks)
        found = read_matched(cuts, folder, queries=600, references=count, k=2)
        assert (found.row_index >= 0).all()
    assert blocks[1] == MORE * blocks[0]
    assert opened[1] <= MORE * opened[0]
    assert peaks[1] < 2 * peaks[0]


@pytest.mark.parametrize(("kind", "passes"), [("flat", 1), ("ivfpq", 2)])
def test_an_index_reads_its_tiles_batch_by_batch(kind: nearest.Kind, passes: int) -> None:
    """Once, and once more where it learns from a sample; beside the index there is one batch at a time."""
    peaks = []
    for count in (10_000, 10_000 * MORE):
        read: list[int] = []

        def some(count: int = count, read: list[int] = read) -> Iterator[np.ndarray]:
            for first in range(0, count, 1000):
                read.append(first)
                yield units(1000, 8)

        peaks.append(peak_bytes(partial(nearest.build, kind, some, count=count, dimension=8)))
        assert len(read) == passes * count // 1000
    assert peaks[1] < (1.5 if kind == "flat" else 1.1 * MORE) * peaks[0]


def test_an_answer_takes_as_much_memory_among_four_times_the_tiles() -> None:
    """Enough is asked that the answers are most of it: what other threads take meanwhile is a thousand bytes or two."""
    asked, peaks = units(4096), []
    for count in (2000, 2000 * MORE):
        index = nearest.build("flat", lambda count=count: iter([units(count)]), count=count, dimension=16)
        peaks.append(peak_bytes(lambda index=index: nearest.search(index, asked, 5)))
    assert peaks[0] >= 4096 * 5 * 12 and peaks[1] < 1.1 * peaks[0]
