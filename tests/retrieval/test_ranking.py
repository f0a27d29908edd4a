"""Ranks and best partners in one pass; the oracles are the naive loop and the exact search."""

import numpy as np
import pytest

from ucvgl.retrieval.ranking import TILE, Question, answers, best_rank, rank
from ucvgl.retrieval.recall import ranks
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.retrieval.vectors import InMemory, Stored


def integers(rows, seed, dimension=3):
    """Small integers: products are exact and ties common."""
    return np.random.default_rng(seed).integers(-3, 4, (rows, dimension)).astype(np.float32)


def some_rows(queries, references, width, seed):
    """True or spared rows, some of them padding, some twice."""
    return np.random.default_rng(seed).integers(-1, references, (queries, width))


def by_hand(queries, references, question):
    """Count, pair by pair, what is as similar as each true reference and neither true nor spared."""
    found = np.full(question.true.shape, -1)
    for query, place in zip(*np.nonzero(question.true >= 0), strict=True):
        out = {*question.true[query].tolist(), *question.spared[query].tolist()}
        scores = references @ queries[query]
        bar = scores[question.true[query, place]]
        found[query, place] = sum(score >= bar and row not in out for row, score in enumerate(scores))
    return found


QUERIES, REFERENCES = integers(37, 0), integers(53, 1)
ASKED = [
    Question(some_rows(37, 53, 3, 2), some_rows(37, 53, 2, 3)),
    Question(some_rows(37, 53, 1, 4), np.empty((37, 0), int)),
]


def test_every_true_reference_is_ranked_as_by_the_naive_loop():
    found = rank(InMemory(QUERIES), InMemory(REFERENCES), ASKED, k=4)
    for question, ahead in zip(ASKED, found.ahead, strict=True):
        np.testing.assert_array_equal(answers(question, ahead), by_hand(QUERIES, REFERENCES, question))


def test_the_best_are_those_of_the_exact_search():
    found = rank(InMemory(QUERIES), InMemory(REFERENCES), [], k=4).best
    expected = two_sided_topk(QUERIES, REFERENCES, k=4)
    np.testing.assert_array_equal(found.index, expected.row_index)
    np.testing.assert_array_equal(found.score, expected.row_score)


def test_the_rank_of_a_query_is_that_of_its_best_true_reference():
    ahead = answers(ASKED[0], rank(InMemory(QUERIES), InMemory(REFERENCES), ASKED[:1], k=1).ahead[0])
    expected = ranks(QUERIES, REFERENCES, ASKED[0].true, spared=ASKED[0].spared)
    np.testing.assert_array_equal(best_rank(ahead), expected)
    assert best_rank(np.empty((2, 0), int)).tolist() == [-1, -1]


@pytest.mark.parametrize("threads", [1, 2])
def test_shards_cut_at_tiles_add_up_to_the_whole(tmp_path, threads):
    random = np.random.default_rng(0)
    queries, references = (random.standard_normal((rows, 16)).astype(np.float32) for rows in (70, 2 * TILE + 90))
    for number, part in enumerate(np.array_split(references, 3)):
        np.save(tmp_path / f"part-{number}.npy", part)
    stored = Stored.of(sorted(tmp_path.glob("part-*.npy")))
    asked = [Question(some_rows(70, len(references), 2, 5), some_rows(70, len(references), 9, 6))]
    whole = rank(InMemory(queries), InMemory(references), asked, k=3)
    parts = [
        rank(InMemory(queries), stored, asked, shard, k=3, threads=threads)
        for shard in ((0, TILE), (TILE, 2 * TILE + 90))
    ]
    np.testing.assert_array_equal(sum(part.ahead[0] for part in parts), whole.ahead[0])
    first, second = (part.best for part in parts)
    row, place = np.nonzero(second.index >= 0)
    first.insert(row, second.score[row, place], second.index[row, place])
    np.testing.assert_array_equal(first.index, whole.best.index)
    np.testing.assert_array_equal(whole.best.index, two_sided_topk(queries, references, k=3).row_index)


def test_when_all_descriptors_are_the_same_every_query_ranks_last():
    same = np.full((9, 4), 0.5, np.float32)
    asked = [Question(np.arange(9)[:, None], np.empty((9, 0), int))]
    assert rank(InMemory(same), InMemory(same), asked, k=2).ahead[0].tolist() == [[8]] * 9


def test_similarities_that_float32_cannot_order_are_a_tie():
    query = np.array([[1, 0]], np.float32)
    references = np.array([[1, 0], [1 - 5e-7, 0], [1 - 5e-6, 0]], np.float32)
    asked = [Question(np.array([[0]]), np.empty((1, 0), int))]
    assert rank(InMemory(query), InMemory(references), asked, k=1).ahead[0].tolist() == [[1]]


def test_vectors_that_are_not_finite_are_refused_by_number():
    broken = REFERENCES.copy()
    broken[41, 0] = np.nan
    with pytest.raises(ValueError, match=r"references \[41\] \(1 in all\) are not finite"):
        rank(InMemory(QUERIES), InMemory(broken), [], k=1)
    with pytest.raises(ValueError, match=r"queries \[41\] \(1 in all\) are not finite"):
        rank(InMemory(broken), InMemory(QUERIES), [], k=1)


@pytest.mark.parametrize("turns", [2, 5])
def test_a_reference_is_as_similar_as_at_the_best_turn(turns):
    at_turns = np.stack([integers(37, 10 + turn) for turn in range(turns)])
    found = rank(InMemory(np.concatenate(at_turns)), InMemory(REFERENCES), ASKED, k=4, turns=turns)
    similar = np.einsum("tqd,rd->qtr", at_turns, REFERENCES)
    best = similar.max(1)
    for question, ahead in zip(ASKED, found.ahead, strict=True):
        expected = np.full(question.true.shape, -1)
        for query, place in zip(*np.nonzero(question.true >= 0), strict=True):
            out = {*question.true[query].tolist(), *question.spared[query].tolist()}
            bar = best[query, question.true[query, place]]
            expected[query, place] = sum(score >= bar and row not in out for row, score in enumerate(best[query]))
        np.testing.assert_array_equal(answers(question, ahead), expected)
    row = np.arange(37)[:, None]
    np.testing.assert_array_equal(found.best.score, -np.sort(-best, axis=1)[:, :4])
    np.testing.assert_array_equal(similar[row, found.turn, found.best.index], found.best.score)
    assert len(np.unique(found.turn)) == turns
