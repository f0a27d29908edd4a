"""The numbers that a protocol asks for, from ranks and the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ucvgl.programs.reranked import new_ranks
from ucvgl.retrieval.average_precision import average_precision
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.ranking import Question, answers, best_rank, rank
from ucvgl.retrieval.recall import Recall, recall
from ucvgl.retrieval.vectors import InMemory
from ucvgl.truth.door import GroundTruth, rows_of


@dataclass(frozen=True)
class Protocol:
    """The truth about one pair of pools, as rows of these pools padded with -1."""

    words: str
    positives: Int[np.ndarray, "q p"]
    spared: Int[np.ndarray, "q s"] | None = None
    own: Int[np.ndarray, "q o"] | None = None
    average_precision: bool = False
    positions: tuple[Float[np.ndarray, "q 2"], Float[np.ndarray, "r 2"]] | None = None

    @property
    def answerable(self) -> bool:
        """Whether any query has a true reference in the pool."""
        return bool((self.positives >= 0).any())


def protocol_of(
    truth: GroundTruth | None, query_ids: Shaped[np.ndarray, " q"], reference_ids: Shaped[np.ndarray, " r"]
) -> Protocol:
    """The truth about these pools; without truth no query has a positive."""
    if truth is None:
        return Protocol("no truth", np.full((len(query_ids), 1), -1))

    def rows(references):
        return rows_of(references, query_ids, reference_ids) if references else None

    positives = rows_of(truth.positives, query_ids, reference_ids)
    where = [np.array([truth.positions[one] for one in ids]) for ids in (query_ids, reference_ids) if truth.positions]
    return Protocol(
        truth.protocol,
        positives,
        rows(truth.spared),
        rows(truth.own),
        truth.average_precision,
        (where[0], where[1]) if where else None,
    )


def trained_on(protocol: Protocol, seen: Bool[np.ndarray, " q"]) -> Protocol:
    """The same protocol; its words say so where queries were trained on as well, under whatever name."""
    return _with_words(protocol, seen, "were TRAINED ON")


def trained_before(protocol: Protocol, seen: Bool[np.ndarray, " q"], *, known: bool) -> Protocol:
    """The same protocol; its words say which queries the encoders had been trained on before the run had them.

    Args:
        known: whether anybody knows that of all they were trained on (`ucvgl.run.before`).
    """
    said = _with_words(protocol, seen, "were TRAINED ON before")
    more = "; what else the encoders were trained on, before this run, is not known"
    return said if known else replace(said, words=said.words + more)


def tiles_as_well(protocol: Protocol, both: Bool[np.ndarray, " q"]) -> Protocol:
    """The same protocol; its words say so where queries are files of the pool that is searched."""
    return _with_words(protocol, both, "are TILES AS WELL and find themselves")


def _with_words(protocol: Protocol, which: Bool[np.ndarray, " q"], what: str) -> Protocol:
    words = f"{protocol.words}; {int(which.sum())} of the {len(which)} queries {what}"
    return replace(protocol, words=words) if which.any() else protocol


MOST_NEAR = 10
"""Best references that SDM looks at."""


def questions(protocol: Protocol) -> list[Question]:
    """What is to be ranked for the numbers of a protocol."""
    none = np.full((len(protocol.positives), 0), -1)
    asked = [Question(protocol.positives, none)]
    if protocol.spared is not None:
        asked.append(Question(protocol.positives, protocol.spared))
    if protocol.own is not None:
        asked.append(Question(protocol.own, none))
    return asked


def score(
    ranks: Sequence[Int[np.ndarray, "q _"]], best: Int[np.ndarray, "q k"], references: int, protocol: Protocol
) -> Recall:
    """Recall, and what the protocol asks for beside it: hit rate, average precision, recall by the query's own tile.

    The hit rate is counted as in VIGOR's released code: a query is a hit when its positive comes first once its
    semi-positives are taken out of the ranking.

    Args:
        ranks: the answers to `questions`.
        best: rows of each query's best references, `MOST_NEAR` of them where there are as many.
        references: in the pool.
    """
    order, *others = (best_rank(some) for some in ranks)
    more: dict[str, float] = {}
    if protocol.spared is not None:
        spared = others.pop(0)
        more["hit rate"] = float((spared[spared >= 0] == 0).mean())
    if protocol.own is not None:
        by_own = recall(others.pop(0), references)
        more |= {"R@1 (own tile)": by_own.r1, "R@5 (own tile)": by_own.r5, "R@1% (own tile)": by_own.r1pct}
    if protocol.average_precision:
        more |= average_precision(ranks[0])
    if protocol.positions is not None:
        more |= {f"SDM@{k}": distance_score(*protocol.positions, best[:, :k]) for k in (1, 3, 5, MOST_NEAR)}
    return recall(order, references, protocol=protocol.words, positives=mean_positives(protocol), more=more)


def mean_positives(protocol: Protocol) -> float:
    """True references of a query that has any, on average."""
    count = (protocol.positives >= 0).sum(axis=1)
    return float(count[count > 0].mean())


def score_in_memory(
    query: Float[np.ndarray, "q d"],
    reference: Float[np.ndarray, "r d"],
    protocol: Protocol,
    *,
    verify: Callable[[Best], Best] | None = None,
    k: int = MOST_NEAR,
) -> Recall:
    """The same from descriptors, in one process.

    Args:
        verify: brings the best references of all queries into another order.
        k: so many of each.
    """
    asked = questions(protocol)
    ranked = rank(InMemory(query), InMemory(reference), asked, k=max(k, MOST_NEAR))
    ranks, best = [answers(*both) for both in zip(asked, ranked.ahead, strict=True)], ranked.best
    if verify is not None:
        best = verify(best)
        ranks = [new_ranks(*both, best.index[:, :k], best.score[:, :k]) for both in zip(asked, ranks, strict=True)]
    return score(ranks, best.index, len(reference), protocol)


def distance_score(
    asked: Float[np.ndarray, "q 2"], searched: Float[np.ndarray, "r 2"], found: Int[np.ndarray, "q k"]
) -> float:
    """DenseUAV's SDM@K: how near the first K are, the first most (Dai et al. 2024, equation 9).

        mean over queries of  sum_i (K - i + 1) exp(-5000 d_i) / sum_i (K - i + 1),  d_i in degrees as if on a plane

    Args:
        found: rows of the references found, best first; -1 counts as far away.
    """
    apart = np.linalg.norm(asked[:, None] - searched[found], axis=2)
    weight = np.arange(found.shape[1], 0, -1)
    near = np.where(found >= 0, np.exp(-5e3 * apart), 0.0)
    return float((near @ weight / weight.sum()).mean())
