import os

import numpy as np
import pytest
import torch

from benchmarks.regimes import REGIMES
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.search import Search
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.retrieval.vectors import InMemory, Stored


def some(rows: int, dimension: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, dimension)).astype(np.float32)


def stored(folder, vectors, sizes) -> Stored:
    cuts = np.cumsum(sizes)
    assert cuts[-1] == len(vectors)
    paths = [folder / f"part-{number:05d}.npy" for number in range(len(sizes))]
    for path, part in zip(paths, np.split(vectors, cuts[:-1]), strict=True):
        np.save(path, part)
    return Stored.of(paths)


def test_vectors_are_read_across_parts(tmp_path):
    vectors = some(10)
    for side in (stored(tmp_path, vectors, [0, 3, 0, 4, 3, 0]), InMemory(vectors)):
        assert (side.span, side.dimension) == ((0, 10), 3)
        room = side.room(10)
        for start, stop in [(0, 10), (0, 3), (2, 8), (3, 7), (7, 10), (4, 5), (4, 4), (10, 10)]:
            np.testing.assert_array_equal(side.read(start, stop, room), vectors[start:stop])
            pieces = side.pieces(start, stop)
            np.testing.assert_array_equal(np.concatenate([vectors[:0], *(p for _, p in pieces)]), vectors[start:stop])
            for first, piece in pieces:
                np.testing.assert_array_equal(piece, vectors[first : first + len(piece)])


def test_vectors_in_many_parts_do_not_keep_as_many_files_open(tmp_path):
    side = stored(tmp_path, some(40), [1] * 40)
    before = len(os.listdir("/proc/self/fd"))
    pieces = side.pieces(0, 40)
    assert len(pieces) == 40
    assert len(os.listdir("/proc/self/fd")) <= before


def test_no_parts_are_no_vectors():
    nothing = Stored.of([])
    assert nothing.span == (0, 0)
    assert nothing.read(0, 0, nothing.room(0)).shape == (0, 0)
    assert nothing.pieces(0, 0) == []


@pytest.mark.parametrize("regime", ["trained", "collapsed", "duplicates"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_search_of_stored_shards_finds_what_one_in_memory_finds(tmp_path, regime, dtype):
    queries, references = REGIMES[regime](700, 500, 130)
    for folder in ("q", "r"):
        (tmp_path / folder).mkdir()
    sides = stored(tmp_path / "q", queries, [256, 256, 188]), stored(tmp_path / "r", references, [256, 244])
    for start, stop in ((0, 500), (100, 300)):
        search = Search(*sides, (start, stop), block=200, tile=128, threads=2, dtype=dtype)
        search.meet(0, 700)
        found = search.found()
        expected = two_sided_topk(queries, references[start:stop], reference_start=start)
        np.testing.assert_array_equal(found.columns.index, expected.column_index)
        np.testing.assert_array_equal(found.columns.score, expected.column_score)
        rows = Best(700, 2)
        rows.insert(found.query, found.score, found.reference)
        np.testing.assert_array_equal(rows.index, expected.row_index)
        np.testing.assert_array_equal(rows.score, expected.row_score)


def test_parts_that_do_not_go_together_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", some(4))
    np.save(tmp_path / "b.npy", some(4, 5))
    np.save(tmp_path / "c.npy", some(4).astype(np.float64))
    for name in "bc":
        with pytest.raises(ValueError, match=rf"{name}.npy holds float.*must be float32 \[n d\] with the same d"):
            Stored.of([tmp_path / "a.npy", tmp_path / f"{name}.npy"])
