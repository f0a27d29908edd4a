"""Exact search by all workers; the oracle is the search in one process."""

import numpy as np
import pytest
import torch

from benchmarks.in_process import InProcess
from tests.programs.one_of_two import match_own_shards
from tests.training.side_by_side import run_side_by_side
from ucvgl.distributed import machines
from ucvgl.programs.matching import match_shards, read_matched, shards
from ucvgl.programs.ranked import cut, rank_shards, read_ranked
from ucvgl.retrieval.ranking import TILE, Question, answers, rank
from ucvgl.retrieval.topk import TwoSided, two_sided_topk
from ucvgl.retrieval.vectors import InMemory, Stored

CPU = torch.device("cpu")


def integers(rows: int, seed: int, *, dimension: int = 2) -> np.ndarray:
    """Small integers: products are exact and ties common."""
    return np.random.default_rng(seed).integers(-3, 4, (rows, dimension)).astype(np.float32)


def write_parts(folder, vectors, sizes):
    folder.mkdir()
    ends = np.cumsum(sizes)
    assert ends[-1] == len(vectors)
    paths = [folder / f"part-{number:05d}.npy" for number in range(len(sizes))]
    for path, part in zip(paths, np.split(vectors, ends[:-1]), strict=True):
        np.save(path, part)
    return paths


def assert_same(found: TwoSided, expected: TwoSided):
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def matched(folder, queries, references, *, k=2, workers=1, rows=1000) -> TwoSided:
    sides = {"queries": Stored.of(queries), "references": Stored.of(references)}
    asked, held = (side.span[1] for side in sides.values())
    cuts = shards(held, workers=workers, rows=rows)
    match_shards(cuts, folder=folder, k=k, device=CPU, log=lambda **_: None, **sides)
    return read_matched(cuts, folder, queries=asked, references=held, k=k)


@pytest.mark.parametrize(("workers", "rows"), [(1, 1000), (3, 1000), (2, 9)])
def test_any_number_of_shards_and_parts_finds_what_one_process_finds(tmp_path, workers, rows):
    queries, references, few = integers(103, 0), integers(71, 1), integers(2, 2)
    query_parts = write_parts(tmp_path / "q", queries, [40, 1, 62])
    reference_parts = write_parts(tmp_path / "r", references, [30, 41])
    few_parts = write_parts(tmp_path / "few", few, [2])
    how = {"workers": workers, "rows": rows}
    assert_same(matched(tmp_path, query_parts, reference_parts, k=3, **how), two_sided_topk(queries, references, k=3))
    assert_same(matched(tmp_path, query_parts, few_parts, k=3, **how), two_sided_topk(queries, few, k=3))


@pytest.mark.parametrize("few", [10**9, 0])
def test_vectors_in_memory_are_searched_by_the_driver_or_by_the_workers_and_nothing_is_left(tmp_path, few, monkeypatch):
    monkeypatch.setattr(machines, "SEARCHED_HERE", few)
    queries, references, ran = integers(103, 0), integers(71, 1), []

    class Crew(InProcess):
        def run(self, program, **arguments):
            ran.append(program)
            return super().run(program, **arguments)

    (tmp_path / "search" / "queries").mkdir(parents=True)
    np.save(tmp_path / "search" / "queries" / "part-00001.npy", queries)  # of a search that was killed
    found = Crew(lambda **_: None).search(queries, references, folder=tmp_path / "search", k=3)
    assert_same(found, two_sided_topk(queries, references, k=3))
    assert ran == ([] if few else [match_shards])
    assert few or not (tmp_path / "search").exists()


@pytest.mark.parametrize(("count", "workers", "rows"), [(0, 2, 5), (1, 4, 5), (10, 2, 5), (11, 2, 5), (100, 3, 7)])
def test_shards_are_small_enough_and_as_many_for_every_worker(count, workers, rows):
    cuts = shards(count, workers=workers, rows=rows)
    assert [row for low, high in cuts for row in range(low, high)] == list(range(count))
    assert all(0 < high - low <= rows for low, high in cuts)
    assert len(cuts) % workers == 0 or count < len(cuts) + workers


ASKED = Question(np.random.default_rng(3).integers(-1, 71, (103, 2)), np.full((103, 0), -1))


@pytest.mark.parametrize("workers", [1, 3])
def test_queries_are_ranked_against_references_and_against_these_and_decoys(tmp_path, workers):
    queries, references, decoys = integers(103, 0), integers(71, 1), integers(71, 4)
    sides = [queries, np.concatenate([references, decoys])]
    stored = [Stored.of(write_parts(tmp_path / str(n), side, [50, len(side) - 50])) for n, side in enumerate(sides)]
    cuts = cut(71, 71, workers=workers, rows=1000)
    how = {"folder": tmp_path, "questions": [ASKED], "count": 71, "k": 4, "turns": 1}
    rank_shards(cuts, queries=stored[0], references=stored[1], device=CPU, log=lambda **_: None, **how)
    found = read_ranked(cuts, tmp_path, [ASKED], queries=103, count=71, k=4, turns=1)
    alone = rank(InMemory(queries), InMemory(references), [ASKED], k=4)
    np.testing.assert_array_equal(found.ranks[0], answers(ASKED, alone.ahead[0]))
    np.testing.assert_array_equal(found.best.index, two_sided_topk(queries, references, k=4).row_index)
    np.testing.assert_array_equal(found.best_of_all.index, two_sided_topk(queries, sides[1], k=4).row_index)


def test_what_is_best_at_any_turn_and_at_which_turn_is_told_across_shards(tmp_path):
    first, second, pool = integers(40, 0), integers(40, 5), integers(2 * TILE + 3, 1)
    decoys = len(pool) - TILE - 2
    sides = [np.concatenate([first, second]), pool]
    stored = [Stored.of(write_parts(tmp_path / str(n), side, [50, len(side) - 50])) for n, side in enumerate(sides)]
    count = len(pool) - decoys
    cuts = cut(count, decoys, workers=2, rows=TILE)
    how = {"folder": tmp_path, "questions": [], "count": count, "k": 4, "turns": 2}
    rank_shards(cuts, queries=stored[0], references=stored[1], device=CPU, log=lambda **_: None, **how)
    found = read_ranked(cuts, tmp_path, [], queries=40, count=count, k=4, turns=2)
    similar = np.stack([first @ pool.T, second @ pool.T], axis=1)
    row = np.arange(40)[:, None]
    for best, turn, searched in (
        (found.best, found.turn, similar[:, :, :count]),
        (found.best_of_all, found.turn_of_all, similar),
    ):
        np.testing.assert_array_equal(best.score, -np.sort(-searched.max(1), axis=1)[:, :4])
        np.testing.assert_array_equal(searched[row, turn, best.index], best.score)
    assert len(cuts) > 3 and set(np.unique(found.turn)) == {0, 1}


def test_pools_are_cut_at_whole_tiles_and_between_references_and_decoys():
    cuts = cut(5 * TILE + 3, 2 * TILE, workers=2, rows=2 * TILE)
    assert [low for low, _ in cuts[1:]] == [high for _, high in cuts[:-1]] and cuts[-1][1] == 7 * TILE + 3
    assert 5 * TILE + 3 in [low for low, _ in cuts]
    assert all((low - (low >= 5 * TILE + 3) * (5 * TILE + 3)) % TILE == 0 for low, _ in cuts)


def test_two_workers_together_find_what_one_finds(tmp_path):
    queries, references = integers(5_000, 0), integers(3_000, 1)
    write_parts(tmp_path / "q", queries, [2_000, 3_000])
    write_parts(tmp_path / "r", references, [3_000])
    run_side_by_side(match_own_shards, 2, tmp_path)
    cuts = shards(3_000, workers=2, rows=700)
    found = read_matched(cuts, tmp_path, queries=5_000, references=3_000, k=3)
    assert_same(found, two_sided_topk(queries, references, k=3))
