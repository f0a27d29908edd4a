"""Candidates in a new order; the oracles are loops and dictionaries over single pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.poses.verifying import verified
from ucvgl.programs.ranked import Ranking
from ucvgl.programs.reranked import (
    candidates_of,
    each_once,
    evidence_for,
    rematched,
    reranked,
    turns_of_candidates,
)
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.ranking import Question
from ucvgl.retrieval.topk import TwoSided

TURNS = 3
UNIT = 80
"""Evidence that counts as a similarity of 1: small integers make ties common."""


def first(scores: dict[int, float], k: int) -> list[int]:
    """Keys of the best, ties to the lowest."""
    return sorted(scores, key=lambda key: (-scores[key], key))[:k]


def padded(rows: list[list], k: int, fill: float) -> list[list]:
    return [row + [fill] * (k - len(row)) for row in rows]


def integers(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.integers(-2, 3, shape).astype(np.float32)


@given(st.lists(st.lists(st.integers(-1, 5), min_size=4, max_size=4), min_size=1, max_size=6))
def test_candidates_are_verified_once_and_each_finds_its_own_evidence(rows):
    candidates = np.array(rows)
    every = each_once(candidates)
    for row, some in zip(rows, every.tolist(), strict=True):
        shown = [one for one in some if one >= 0]
        assert sorted(shown) == sorted({one for one in row if one >= 0})
    assert every.shape[1] == max(1, *(len({one for one in row if one >= 0}) for row in rows))
    number = np.arange(len(rows))[:, None] * 10
    evidence = np.where(every >= 0, number + every, -np.inf).astype(np.float32)
    expected = np.where(candidates >= 0, number + candidates, -np.inf)
    np.testing.assert_array_equal(evidence_for(candidates, every, evidence), expected)


@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_matches_are_made_among_verified_pairs_alone_both_ways(seed, queries, references, kept, k):
    draw = np.random.default_rng(seed)
    index = np.full((queries, kept), -1)
    index[:, : min(kept, references)] = draw.random((queries, references)).argsort(1)[:, :kept]
    score, unread = integers(draw, queries, kept).astype(float), np.zeros((references, kept))
    best = TwoSided(0, 0, np.where(index >= 0, score, -np.inf), index, unread, unread.astype(int))
    evidence = np.where(best.row_index >= 0, UNIT * integers(draw, queries, kept), -np.inf)
    pairs = {
        (query, int(best.row_index[query, place])): float(
            verified(best.row_score[query, [place]], evidence[query, [place]])[0]
        )
        for query, place in zip(*np.nonzero(best.row_index >= 0), strict=True)
    }
    of_query = [{r: score for (q, r), score in pairs.items() if q == query} for query in range(queries)]
    of_reference = [{q: score for (q, r), score in pairs.items() if r == reference} for reference in range(references)]
    found = rematched(best, evidence, k=k)
    for scores, index, score in (
        (of_query, found.row_index, found.row_score),
        (of_reference, found.column_index, found.column_score),
    ):
        chosen = [first(one, k) for one in scores]
        assert index.tolist() == padded(chosen, k, -1)
        ordered = [[one[key] for key in keys] for one, keys in zip(scores, chosen, strict=True)]
        assert score.tolist() == padded(ordered, k, -np.inf)


@dataclass
class Pool:
    """Queries, references and decoys after them, with their similarities and what the ground would say of each."""

    similarity: np.ndarray
    evidence: np.ndarray
    references: int
    questions: list[Question]

    @staticmethod
    def drawn(seed: int, queries: int, references: int) -> Pool:
        draw = np.random.default_rng(seed)
        shape = queries, 2 * references
        asked = [
            Question(draw.integers(-1, references, (queries, width)), draw.integers(-1, references, (queries, spared)))
            for width, spared in ((1, 0), (2, 2))
        ]
        return Pool(integers(draw, *shape).astype(float), UNIT * integers(draw, *shape), references, asked)

    def left_out(self, asked: Question, query: int) -> set[int]:
        return {*asked.true[query].tolist(), *asked.spared[query].tolist()}

    def rank(self, asked: Question, query: int, true: int) -> int:
        """How many others are as similar as a true reference, and neither true nor spared."""
        alike = self.similarity[query, : self.references]
        others = set(range(self.references)) - self.left_out(asked, query)
        return sum(bool(alike[other] >= alike[true]) for other in others)

    def ranking(self, k: int) -> Ranking:
        bests = []
        for count in (self.references, 2 * self.references):
            best = Best(len(self.similarity), k)
            for query, row in enumerate(self.similarity[:, :count]):
                order = first(dict(enumerate(row.tolist())), k)
                best.index[query, : len(order)], best.score[query, : len(order)] = order, row[order]
            bests.append(best)
        ranks = [
            np.array([[-1 if t < 0 else self.rank(asked, q, t) for t in row] for q, row in enumerate(asked.true)])
            for asked in self.questions
        ]
        return Ranking(ranks, *bests, *(one.index % TURNS for one in bests))

    def said(self, candidates: np.ndarray) -> np.ndarray:
        """The evidence, as workers leave it."""
        rows = np.arange(len(candidates))[:, None]
        return np.where(candidates >= 0, self.evidence[rows, candidates], -np.inf).astype(np.float32)

    def score(self, query: int, numbers: list[int]) -> dict[int, float]:
        found = verified(self.similarity[query, numbers], self.evidence[query, numbers])
        return dict(zip(numbers, found.tolist(), strict=True))


def reordered(pool: Pool, ranking: Ranking, count: int) -> Ranking:
    candidates = candidates_of(ranking, count, references=pool.references)
    return reranked(ranking, pool.said(candidates), pool.questions, references=pool.references)


def head(row: np.ndarray, count: int) -> list[int]:
    return [int(number) for number in row[:count] if number >= 0]


pools = given(st.integers(0, 9999), st.integers(1, 6), st.integers(1, 12), st.integers(1, 8))


@pools
def test_the_first_references_of_a_query_and_the_decoys_among_the_first_of_all_are_candidates(seed, q, r, count):
    pool = Pool.drawn(seed, q, r)
    ranking = pool.ranking(8)
    found = candidates_of(ranking, count, references=r)
    assert ((found % TURNS == turns_of_candidates(ranking, count)) | (found < 0)).all()
    for query in range(q):
        decoys = [one for one in head(ranking.best_of_all.index[query], count) if one >= r]
        assert [*found[query][found[query] >= 0]] == [*head(ranking.best.index[query], count), *decoys]


@pools
def test_verified_candidates_come_first_by_their_verified_scores_and_the_others_as_they_did(seed, q, r, count):
    pool = Pool.drawn(seed, q, r)
    old = pool.ranking(8)
    new = reordered(pool, old, count)
    for before, after in ((old.best, new.best), (old.best_of_all, new.best_of_all)):
        for query in range(q):
            scores = pool.score(query, head(before.index[query], count))
            order = first(scores, count)
            assert head(after.index[query], count) == order
            assert after.score[query, : len(order)].tolist() == [scores[one] for one in order]
        assert np.array_equal(after.index[:, count:], before.index[:, count:])
        assert np.array_equal(after.score[:, count:], before.score[:, count:])
    for after, turn in ((new.best, new.turn), (new.best_of_all, new.turn_of_all)):
        assert np.array_equal(turn, after.index % TURNS)  # a partner keeps its turn


@pools
def test_a_true_reference_stands_behind_the_verified_ones_that_are_as_good_and_behind_those_it_was_level_with(
    seed, q, r, count
):
    pool = Pool.drawn(seed, q, r)
    old = pool.ranking(8)
    new = reordered(pool, old, count)
    for asked, before, after in zip(pool.questions, old.ranks, new.ranks, strict=True):
        for (query, place), true in np.ndenumerate(asked.true):
            tried = head(old.best.index[query], count)
            expected = before[query, place]
            if true in tried:
                scores, alike = pool.score(query, tried), pool.similarity[query]
                others = set(range(r)) - pool.left_out(asked, query)
                expected = sum(scores[one] >= scores[true] - 1e-6 for one in others & {*tried})
                expected += sum(bool(alike[one] >= alike[true]) for one in others - {*tried})
            assert after[query, place] == expected


@pools
def test_where_the_ground_says_nothing_nothing_changes(seed, q, r, count):
    pool = Pool.drawn(seed, q, r)
    pool.evidence[:] = 0
    old = pool.ranking(8)
    new = reordered(pool, old, count)
    for before, after in zip([*old.ranks], [*new.ranks], strict=True):
        np.testing.assert_array_equal(after, before)
    for before, after in ((old.best, new.best), (old.best_of_all, new.best_of_all)):
        np.testing.assert_array_equal(after.index, before.index)
        np.testing.assert_array_equal(after.score, before.score)


@pytest.mark.parametrize(("apart", "rank"), [(1e-7, 1), (1e-4, 0)])
def test_verified_scores_that_float32_cannot_order_are_a_tie(apart, rank):
    best, of_all = Best(1, 2), Best(1, 2)
    for one in (best, of_all):
        one.index[:], one.score[:] = [[0, 1]], [[0.5 + apart, 0.5]]
    asked = Question(np.array([[0]]), np.empty((1, 0), int))
    turn = np.zeros((1, 2), int)
    old = Ranking([np.array([[0]])], best, of_all, turn, turn)
    found = reranked(old, np.zeros((1, 4), np.float32), [asked], references=2)
    assert found.ranks[0].tolist() == [[rank]]
