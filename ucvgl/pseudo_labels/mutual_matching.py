"""Adaptive mutual matching: which matches become pseudo-labels (UCVGL section 3.2)."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from ucvgl.retrieval.topk import TwoSided
from ucvgl.types import Matches


def matches(best: TwoSided, *, reciprocal: int = 1) -> Matches:
    """Every query's best reference, with margins and whether the choice is mutual.

    A query with a single candidate has no second-best to be confused with: its margin is infinite. A query
    without any has reference -1 and score and margin -inf, and is never mutual.

    Args:
        reciprocal: how many best queries of a reference it may be a mutual match of; more than 1 where several
            panoramas share a tile, as in VIGOR. The reference's margin is over the first query beyond these.

    Raises:
        ValueError: fewer partners were kept than the margins need.
    """
    if best.row_index.shape[1] < max(2, reciprocal + 1):
        raise ValueError(
            f"margins need the best k >= {max(2, reciprocal + 1)} partners, but {best.row_index.shape[1]} were kept"
        )
    score, second = best.row_score[:, 0], best.row_score[:, 1]
    reference = best.row_index[:, 0]
    matched = reference >= 0
    query = np.arange(len(reference)) + best.query_start
    own = np.where(matched, reference - best.reference_start, -1)
    mutual = mutual_queries(own, best.column_index[:, :reciprocal] - best.query_start)
    beyond = np.full(len(score), np.inf)
    beyond[matched] = best.column_score[own[matched], np.where(mutual[matched], reciprocal, reciprocal - 1)]
    return Matches(
        query=query,
        reference=reference,
        score=score,
        margin=np.subtract(score, second, out=np.full(len(score), -np.inf), where=matched),
        reference_margin=np.subtract(score, beyond, out=np.full(len(score), -np.inf), where=matched),
        mutual=mutual,
    )


def mutual_queries(
    reference_of_query: Int[np.ndarray, " q"], queries_of_reference: Int[np.ndarray, "r k"]
) -> Bool[np.ndarray, " q"]:
    """Which queries are among the k most similar queries of their own most similar reference; -1 stands for none."""
    chosen = reference_of_query >= 0
    mutual = np.zeros(len(chosen), bool)
    back = queries_of_reference[reference_of_query[chosen]]
    mutual[chosen] = (back == np.flatnonzero(chosen)[:, None]).any(axis=1)
    return mutual


def agreement(found: Matches) -> float:
    """Share of the queries whose best reference chooses them, too: a score that needs no truth; 0 without any query.

    Encoders that confuse places rarely agree from both sides. On the embedded world it ranks checkpoints and settings
    as their recall does (`docs/reproduce.md`).
    """
    return float(found.mutual.mean()) if len(found.mutual) else 0.0


def margin_threshold(round_index: int, rounds: int, *, first: float, final: float = 0.0) -> float:
    """Threshold of one round: half a cosine from `first` down to `final` in the last round.

    The released code decays over `rounds` and so never quite reaches the end; here the last round is at
    `final`.

    Args:
        round_index: from 0.
        rounds: how many there are.
        first: threshold of the first round.
        final: threshold of the last round.
    """
    if rounds < 2:
        return first
    share = round_index / (rounds - 1)
    return final + (first - final) * (1 + math.cos(math.pi * share)) / 2


def pseudo_labels(
    found: Matches, *, min_margin: float, mutual: bool = True
) -> Bool[np.ndarray, " q"]:
    """Which queries keep their best reference as a pseudo-label.

    Args:
        min_margin: smallest difference between best and second-best similarity.
        mutual: whether the match must be mutual as well.
    """
    return eligible(found, mutual=mutual) & (found.margin >= min_margin)


def eligible(found: Matches, *, mutual: bool = True) -> Bool[np.ndarray, " q"]:
    """Which queries have a best reference at all and, where it must be, one that chooses them too."""
    return (found.reference >= 0) & (found.mutual if mutual else True)


def undecided(
    found: Matches, known_query: Int[np.ndarray, " p"], known_reference: Int[np.ndarray, " p"], *, reciprocal: int = 1
) -> Bool[np.ndarray, " q"]:
    """Which matches known pairs have not decided already, by agreeing with them or by contradicting them.

    Args:
        known_query: row of the query of each known pair.
        known_reference: row of its reference.
        reciprocal: how many queries a reference may have; one that has as many known ones has no room for another.
    """
    reference, queries = np.unique(known_reference, return_counts=True)
    return ~np.isin(found.query, known_query) & ~np.isin(found.reference, reference[queries >= reciprocal])


def share_below(margin: Float[np.ndarray, " q"], candidate: Bool[np.ndarray, " q"]) -> Float[np.ndarray, " q"]:
    """The share of the candidates' margins that are smaller than each; as they are where there is no candidate.

    It does not depend on how wide the similarities of an encoder are spread.
    """
    if not candidate.any():
        return margin
    return np.searchsorted(np.sort(margin[candidate]), margin) / candidate.sum()
