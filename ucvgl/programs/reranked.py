"""The best candidates in a new order: by what was found when they were looked at once more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ucvgl.poses.verifying import verified
from ucvgl.programs.ranked import Ranking
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.ranking import Question
from ucvgl.retrieval.recall import ROUNDING
from ucvgl.retrieval.topk import TwoSided


def rematched(best: TwoSided, evidence: Float[np.ndarray, "q v"], *, k: int) -> TwoSided:
    """The best k both ways among the verified candidates of the queries.

    Args:
        best: whose first v references of each query were verified.
        evidence: for them.
    """
    query, place = np.nonzero(best.row_index[:, : evidence.shape[1]] >= 0)
    reference = best.row_index[query, place]
    score = verified(best.row_score[query, place], evidence[query, place])
    rows, columns = Best(len(best.row_index), k), Best(len(best.column_index), k)
    rows.insert(query, score, reference)
    columns.insert(reference, score, query)
    return TwoSided(best.query_start, best.reference_start, rows.score, rows.index, columns.score, columns.index)


def candidates_of(ranking: Ranking, count: int, *, references: int) -> Int[np.ndarray, "q v"]:
    """What is to be verified of a ranking: the first references of each query, and decoys that are among the first
    of all; -1 for none.

    Args:
        count: how many first ones.
        references: how many there are; decoys are numbered after them.
    """
    first, of_all = (best.index[:, :count] for best in (ranking.best, ranking.best_of_all))
    return np.hstack((first, np.where(of_all >= references, of_all, -1)))


def turns_of_candidates(ranking: Ranking, count: int) -> Int[np.ndarray, "q v"]:
    """At which of its turns a query is most like each of `candidates_of` a ranking."""
    return np.hstack((ranking.turn[:, :count], ranking.turn_of_all[:, :count]))


def each_once(candidates: Int[np.ndarray, "q n"]) -> Int[np.ndarray, "q m"]:
    """The candidates of every query without repetitions, as few columns as hold them; -1 for none."""
    found = np.sort(candidates, axis=1)
    found[:, 1:][found[:, 1:] == found[:, :-1]] = -1
    found = -np.sort(-found, axis=1)
    return found[:, : max(1, int((found >= 0).sum(1).max(initial=0)))]


def evidence_for(
    candidates: Int[np.ndarray, "q v"], every: Int[np.ndarray, "q m"], evidence: Float[np.ndarray, "q m"]
) -> Float[np.ndarray, "q v"]:
    """The evidence for some candidates, each of which is among `every` or -1, for none, whose evidence is -inf."""
    place = (candidates[:, :, None] == every[:, None, :]).argmax(axis=2)
    return np.where(candidates >= 0, np.take_along_axis(evidence, place, axis=1), np.float32(-np.inf))


def reranked(
    ranking: Ranking, evidence: Float[np.ndarray, "q v"], questions: Sequence[Question], *, references: int
) -> Ranking:
    """The same ranking, where the verified candidates of a query stand in the order of their verified scores.

    Args:
        evidence: for `candidates_of` the ranking.
        questions: that it answers.
    """
    count = evidence.shape[1] // 2
    of_references, of_decoys = evidence[:, :count], evidence[:, count:]
    first = ranking.best_of_all.index[:, :count]
    own = (first >= 0) & (first < references)
    # The references among the first of all are the first references, in this order.
    place = np.maximum(own.cumsum(1) - 1, 0)
    of_all = np.where(own, np.take_along_axis(of_references, place, 1), of_decoys)
    best, turn = _in_new_order(ranking.best, ranking.turn, of_references)
    ranks = [
        new_ranks(asked, old, best.index[:, :count], best.score[:, :count])
        for asked, old in zip(questions, ranking.ranks, strict=True)
    ]
    best_of_all, turn_of_all = _in_new_order(ranking.best_of_all, ranking.turn_of_all, of_all)
    return Ranking(ranks, best, best_of_all, turn, turn_of_all)


def _in_new_order(
    best: Best, turn: Int[np.ndarray, "q k"], evidence: Float[np.ndarray, "q v"]
) -> tuple[Best, Int[np.ndarray, "q k"]]:
    """Those that were verified by their verified scores, equal ones by their number; the others after them."""
    count = evidence.shape[1]
    there = best.index[:, :count] >= 0
    score = np.where(there, verified(best.score[:, :count], np.where(there, evidence, 0)), -np.inf)
    order = np.lexsort((best.index[:, :count], -score))
    found, turned = Best(*best.index.shape), turn.copy()
    for new, old in (
        (found.score, np.hstack((score, best.score[:, count:]))), (found.index, best.index), (turned, turn)
    ):  # fmt: skip
        new[:] = old
        new[:, :count] = np.take_along_axis(old[:, :count], order, 1)
    return found, turned


def new_ranks(
    asked: Question, ranks: Int[np.ndarray, "q t"], index: Int[np.ndarray, "q v"], score: Float[np.ndarray, "q v"]
) -> Int[np.ndarray, "q t"]:
    """The rank of every true reference; of those that were not verified it stays what it was.

    Ties still count against: among the verified, and with those beyond them that were level before.

    Args:
        index: of the references that were verified, in any order.
        score: theirs.
    """
    left_out = np.stack([np.isin(*both) for both in zip(index, np.hstack((asked.true, asked.spared)), strict=True)])
    found, others = ranks.copy(), (index >= 0) & ~left_out
    for number, true in enumerate(asked.true.T):
        here = (index == true[:, None]) & (true >= 0)[:, None]
        query = here.any(1)
        bar = score[query, here[query].argmax(1)] - ROUNDING
        level_beyond = np.maximum(ranks[query, number] - others[query].sum(1), 0)
        found[query, number] = ((score[query] >= bar[:, None]) & others[query]).sum(1) + level_beyond
    return found
