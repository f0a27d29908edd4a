from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucvgl.images.image_store import write_shard
from ucvgl.settings.experiment import Experiment, Translation
from ucvgl.training.batches import Pairs
from ucvgl.training.pairs import fake_pairs, joined, known_pairs, repeated

STORES = Path("queries"), Path("references")


def pairs_of(query, reference, **more) -> Pairs:
    return Pairs("label", ("query", "reference"), STORES, np.array(query), np.array(reference), **more)


@pytest.fixture
def train(tmp_path):
    for view, ids in (("queries", ["a", "b", "c"]), ("references", ["z", "y", "x", "w"])):
        write_shard(tmp_path / view, 0, ids, np.zeros((len(ids), 8, 8, 3), np.uint8))
    return tmp_path


def told(train, *rows) -> Path:
    names = ("query_id", "reference_id", "spared")
    pq.write_table(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), train / "pairs.parquet")
    return train


def test_known_pairs_are_rows_of_the_stores_without_those_that_were_rejected(train):
    rows = [("c", "y", ["w"]), ("rejected", "z", []), ("a", "x", ["w", "rejected", "z"]), ("b", "gone", [])]
    known = known_pairs(told(train, *rows), train, Experiment())
    assert (known.query.tolist(), known.reference.tolist()) == ([2, 0], [1, 2])
    assert known.spared is not None and known.spared.tolist() == [[3, -1], [3, 0]]


def test_where_nothing_is_spared_no_column_is_kept(train):
    assert known_pairs(told(train, ("a", "x", ["gone"]), ("b", "y", [])), train, Experiment()).spared is None


def test_one_pair_alone_is_refused(train):
    with pytest.raises(ValueError, match="1 true pairs can be used, which is too few; raise supervision.label_frac"):
        known_pairs(told(train, ("a", "x", []), ("rejected", "y", [])), train, Experiment())


def test_copies_repeat_every_column():
    twice = repeated(pairs_of([1, 2], [3, 4], spared=np.array([[5], [6]]), neighbours=np.array([[7, 8], [9, -1]])), 2)
    assert twice.query.tolist() == [1, 2, 1, 2] and twice.reference.tolist() == [3, 4, 3, 4]
    assert twice.spared is not None and twice.spared.ravel().tolist() == [5, 6, 5, 6]
    assert twice.neighbours is not None and twice.neighbours[2:].tolist() == [[7, 8], [9, -1]]


def test_joined_pairs_keep_what_each_spares():
    both = joined(pairs_of([1], [2]), pairs_of([3, 4], [5, 6], spared=np.array([[7, 8], [9, -1]])))
    assert (both.query.tolist(), both.reference.tolist()) == ([1, 3, 4], [2, 5, 6])
    assert both.spared is not None and both.spared.tolist() == [[-1, -1], [7, 8], [9, -1]]
    assert joined(pairs_of([1], [2]), pairs_of([3], [4])).spared is None


@pytest.mark.parametrize("fakes", [["a", "b"], ["a", "c", "b"], ["a", "b", "x"], ["b", "c"]])
def test_panoramas_and_fakes_that_are_not_of_the_same_places_are_not_paired(tmp_path, fakes):
    """A shard that is gone from the middle of a store shifts all that follow."""
    translated = Experiment(translation=Translation(fake=True))
    for store, ids in (("projected/train/queries", ["a", "b", "c"]), ("translated/fake", fakes)):
        write_shard(tmp_path / store, 0, ids, np.zeros((len(ids), 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="queries holds 3 images and .*fake .*not of the same places row by row"):
        fake_pairs(tmp_path / "projected", tmp_path / "translated", translated)
    write_shard(tmp_path / "translated/fake", 0, ["a", "b", "c"], np.zeros((3, 8, 8, 3), np.uint8))
    assert len(fake_pairs(tmp_path / "projected", tmp_path / "translated", translated)) == 3
