"""The E-step of EM-CVGL: queries and references that choose each other, and are similar enough (section 3 there)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float32

from ucvgl.pseudo_labels.e_step import Labels, plain
from ucvgl.pseudo_labels.mutual_matching import eligible, matches, share_below
from ucvgl.retrieval.topk import TwoSided

Threshold = Literal["similarity", "margin"]


def mutual_matches(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    best: TwoSided,
    *,
    threshold: Threshold = "similarity",
    least: float = 0.1,
    reciprocal: int = 1,
) -> Labels:
    """Every query with its best reference, where the choice is mutual and beyond a threshold.

    Args:
        threshold: what must be at least `least`: the similarity itself, as in EM-CVGL, or, of its margin over the
            second best, as in UCVGL, the share of the mutual choices whose margin is smaller.
        reciprocal: among how many best queries of a reference a match counts as mutual; more than 1 where
            several queries show one place.
    """
    found = matches(best, reciprocal=reciprocal)
    candidate = eligible(found)
    value = found.score if threshold == "similarity" else share_below(found.margin, candidate)
    kept = candidate & (value >= least)
    return plain(found.query[kept], found.reference[kept])
