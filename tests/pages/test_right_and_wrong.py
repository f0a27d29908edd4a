"""What the page shows of answers: which, how far off, and how the ground lies on the tiles."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.poses.flat_ground import patches
from ucvgl.files.tables import write_table
from ucvgl.images.image_store import write_shard
from ucvgl.pages.right_and_wrong import retrievals, true_places
from ucvgl.retrieval.best import Best
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.evaluate import write_retrievals
from ucvgl.truth.score import Protocol

TILES = np.stack([patches(number, 48) for number in range(12)])
FIRST = {"reference_rows": [3, 4], "right": [False, False], "scores": [0.5, 0.25]}


def scored(folder: Path, ranks: list[int], *, true_row: int | None = 7) -> Path:
    """Images of twelve places, and a table of as many answers as there are ranks; tiles 3 and 4 are the best of all."""
    for view in ("queries", "bev", "references"):
        write_shard(folder / view, 0, [str(row) for row in range(12)], TILES)
    rows = [FIRST | {"query_row": row, "rank": rank, "true_row": true_row} for row, rank in enumerate(ranks)]
    older = [{name: value for name, value in row.items() if value is not None} for row in rows]
    write_table(folder / "retrievals.parquet", pa.Table.from_pylist(older))
    return folder


def test_of_the_misses_the_nearest_the_farthest_and_those_between_are_shown(tmp_path: Path):
    folder = scored(tmp_path, [9, 0, 4, 2, 8, 1, 6, 0])
    shown = retrievals(folder, folder, Experiment())
    assert [item.rank for item in shown] == [0, 0, 1, 4, 6, 9]


def test_a_true_tile_beyond_the_best_is_shown_beside_them_and_the_ground_lies_on_each(tmp_path: Path):
    folder = scored(tmp_path, [5])
    (item,) = retrievals(folder, folder, Experiment())
    np.testing.assert_array_equal(item.true_tile, TILES[7])
    assert len(item.tiles) == 2 and len(item.fits) == 3
    (item,) = retrievals(scored(tmp_path / "seen", [1], true_row=4), tmp_path / "seen", Experiment())
    assert item.true_tile is None and len(item.fits) == 2


def test_the_ground_of_a_query_lies_in_the_middle_of_its_own_tile(tmp_path: Path):
    folder = scored(tmp_path, [5] * 8)
    own = retrievals(folder, folder, Experiment())[-1]
    assert own.query_id == "7"
    *others, best = own.fits
    assert (best.east, best.north, best.turn_deg) == (0, 0, 0)
    assert best.evidence > max(fit.evidence for fit in others) + 10


def test_an_older_run_knows_the_rank_and_not_the_tile(tmp_path: Path):
    folder = scored(tmp_path, [5], true_row=None)
    (item,) = retrievals(folder, folder, Experiment())
    assert (item.rank, item.true_tile, len(item.fits)) == (5, None, 2)


def test_queries_are_counted_by_the_place_of_their_true_tile(tmp_path: Path):
    folder = scored(tmp_path, [0, 0, 1, 4, 5, 9, 10, 99, 100, 5000, -1])
    assert dict(true_places(folder)) == {
        "first": 2, "second": 1, "3 to 5": 1, "6 to 10": 2, "11 to 100": 2, "after 100": 2,
    }  # fmt: skip
    assert true_places(scored(tmp_path / "blind", [-1, -1])) == []


def test_a_true_tile_that_is_not_there_is_damage(tmp_path: Path):
    folder = scored(tmp_path, [5], true_row=12)
    with pytest.raises(ValueError, match=r"retrievals.parquet is damaged: it names images that are not there"):
        retrievals(folder, folder, Experiment())


def test_of_several_true_tiles_that_which_comes_first_is_written(tmp_path: Path):
    best = Best(3, 2)
    best.index, best.score = np.array([[3, 4], [3, 4], [3, 4]]), np.zeros((3, 2), np.float32)
    positives = np.array([[8, 9], [4, -1], [-1, -1]])
    write_retrievals(tmp_path / "a.parquet", best, np.array([[6, 2], [1, -1], [-1, -1]]), Protocol("", positives))
    table = pa.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert (table["rank"], table["true_row"]) == ([2, 1, -1], [9, 4, -1])
    assert table["right"] == [[False, False], [False, True], [False, False]]
    write_retrievals(tmp_path / "b.parquet", best, None, Protocol("", positives[:, :0]))
    assert pa.parquet.read_table(tmp_path / "b.parquet").to_pydict()["true_row"] == [-1, -1, -1]
