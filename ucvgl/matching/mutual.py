"""Adaptive mutual matching: which matches become pseudo-labels (UCVGL section 3.2)."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Int

from ucvgl.matching.topk import TwoSided
from ucvgl.types import Matches


def matches(best: TwoSided) -> Matches:
    """Every query's best reference, with its margin and whether the choice is mutual.

    A query with a single candidate has no second-best to be confused with: its margin is infinite. A query
    without any has reference -1 and score and margin -inf, and is never mutual.

    Raises:
        ValueError: only the best one of each was kept, which tells no margin.
    """
    if best.row_index.shape[1] < 2:
        raise ValueError("margins need the best k >= 2 references of every query")
    score, second = best.row_score[:, 0], best.row_score[:, 1]
    reference = best.row_index[:, 0]
    matched = reference >= 0
    return Matches(
        query=np.arange(len(reference)) + best.query_start,
        reference=reference,
        score=score,
        margin=np.subtract(score, second, out=np.full(len(score), -np.inf), where=matched),
        mutual=mutual_queries(
            np.where(matched, reference - best.reference_start, -1),
            best.column_index[:, 0] - best.query_start,
        ),
    )


def mutual_queries(
    reference_of_query: Int[np.ndarray, " q"], query_of_reference: Int[np.ndarray, " r"]
) -> Bool[np.ndarray, " q"]:
    """Which queries are the most similar query of their own most similar reference; -1 stands for none."""
    chosen = reference_of_query >= 0
    mutual = np.zeros(len(chosen), bool)
    mutual[chosen] = query_of_reference[reference_of_query[chosen]] == np.flatnonzero(chosen)
    return mutual


def margin_threshold(round_index: int, rounds: int, *, first: float, final: float = 0.0) -> float:
    """Threshold of one round: half a cosine from `first` down to `final` in the last round.

    The released code decays over `rounds` and so never quite reaches the end; here the last round is at
    `final`.
    """
    if rounds < 2:
        return first
    share = round_index / (rounds - 1)
    return final + (first - final) * (1 + math.cos(math.pi * share)) / 2


def pseudo_labels(found: Matches, *, min_margin: float, mutual: bool = True) -> Bool[np.ndarray, " q"]:
    """Which queries keep their best reference as a pseudo-label.

    Args:
        min_margin: smallest difference between best and second-best similarity, cosine units.
        mutual: whether the match must be mutual as well.
    """
    confident = (found.reference >= 0) & (found.margin >= min_margin)
    return confident & found.mutual if mutual else confident
