"""Recall at k by counting, with ties against the method; a query may have several true references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt

ROUNDING = 1e-6
"""Similarities closer than this share of the vectors' lengths are a tie: float32 cannot order them."""


def ranks(
    query: Float[np.ndarray, "q d"],
    reference: Float[np.ndarray, "r d"],
    truth: Int[np.ndarray, "q *p"],
    *,
    spared: Int[np.ndarray, "q s"] | None = None,
    query_block: int = 1024,
    reference_block: int = 8192,
) -> Int[np.ndarray, " q"]:
    """How many wrong references stand before or level with the best true one, for each query; 0 is a hit at 1.

    Ties and non-finite similarities count against the method: when every embedding is the same, or NaN, every
    query ranks last. (Counting only strictly greater similarities gives such a model 100 %.)

    Args:
        truth: rows of the true references, padded with -1; without any in the pool the rank is -1 too.
        spared: rows of references that are neither right nor wrong, padded with -1.
    """
    truth = truth.reshape(len(truth), -1)
    excluded = truth if spared is None else np.hstack((truth, spared))
    found = np.full(len(query), -1)
    known = np.flatnonzero((truth >= 0).any(axis=1))
    for start in range(0, len(known), query_block):
        rows = known[start : start + query_block]
        bars = true_similarity(query[rows], reference, truth[rows]).max(axis=1, keepdims=True)
        found[rows] = wrong_ahead(query[rows], reference, bars, excluded[rows], block=reference_block)[:, 0]
    return found


def true_similarity(
    query: Float[np.ndarray, "q d"], reference: Float[np.ndarray, "r d"], truth: Int[np.ndarray, "q p"]
) -> Float[np.ndarray, "q p"]:
    """Similarity of each query with its true references, less what float32 cannot tell; -inf where there is none."""
    bars = np.full(truth.shape, -np.inf, np.result_type(query, reference))
    with np.errstate(invalid="ignore", over="ignore"):
        for column, rows in enumerate(truth.T):
            target = reference[rows]
            own = np.einsum("qd,qd->q", query, target)
            lengths = np.linalg.norm(query, axis=1) * np.linalg.norm(target, axis=1)
            bar = own - ROUNDING * lengths
            bars[:, column] = np.where((rows >= 0) & np.isfinite(bar), bar, -np.inf)
    return bars


def wrong_ahead(
    query: Float[np.ndarray, "q d"],
    reference: Float[np.ndarray, "r d"],
    bars: Float[np.ndarray, "q b"],
    excluded: Int[np.ndarray, "q e"],
    *,
    block: int = 8192,
) -> Int[np.ndarray, "q b"]:
    """How many references, but for the excluded ones of each query, are not below each of its bars.

    Args:
        bars: similarities to count from, per query.
        excluded: rows of references that do not count, padded with -1.
        block: queries at a time; bounds the memory.
    """
    behind = np.zeros(bars.shape, int)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(reference), block):
            similarity = query @ reference[start : start + block].T
            usable = np.isfinite(similarity)  # what is not finite stands before everything
            row, column = np.nonzero((excluded >= start) & (excluded < start + similarity.shape[1]))
            here = excluded[row, column] - start
            for k, bar in enumerate(bars.T):
                below = (similarity < bar[:, None]) & usable
                below[row, here] = True
                behind[:, k] += below.sum(axis=1)
    return len(reference) - behind


@dataclass(frozen=True)
class Recall:
    """Shares of the queries whose true reference is among the best k, with what is needed to judge them.

    Args:
        r1pct: at k = 1 % of the pool, rounded down, but at least 1.
        queries: how many have a true reference and were counted.
        references: size of the pool that was searched.
        without_reference: queries left out because the pool holds no true reference.
        positives: true references that a query has in the pool, on average.
        more: shares by name that the protocol asks for beside recall, as the hit rate of VIGOR.
    """

    r1: float
    r5: float
    r10: float
    r1pct: float
    queries: int
    references: PositiveInt
    without_reference: int = 0
    protocol: str = "one true tile, ties count against"
    positives: float = 1.0
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def chance(self) -> float:
        """R@1 of a blind guess."""
        return self.positives / self.references

    @property
    def one_percent(self) -> int:
        """The k of R@1%."""
        return max(1, self.references // 100)

    def saved(self) -> dict[str, Any]:
        """All of it for JSON, without what only some protocols have."""
        rare = {"positives": 1.0, "more": {}}
        return {name: value for name, value in asdict(self).items() if name not in rare or value != rare[name]}

    def __str__(self) -> str:
        parts = [
            f"chance R@1 {100 * self.chance:.2g}",
            f"{self.queries} queries x {self.references} references",
            f"protocol: {self.protocol}, 1% = best {self.one_percent}",
        ]
        if self.without_reference:
            parts.insert(2, f"{self.without_reference} queries without a tile left out")
        scores = {"R@1": self.r1, "R@5": self.r5, "R@10": self.r10, "R@1%": self.r1pct, **self.more}
        shares = "  ".join(f"{name} {100 * share:.1f}" for name, share in scores.items())
        return f"{shares}   ({'; '.join(parts)})"


def recall(
    ranks: Int[np.ndarray, " q"],
    references: int,
    *,
    protocol: str = "one true tile",
    positives: float = 1.0,
    more: Mapping[str, float] | None = None,
) -> Recall:
    """Recall from ranks; queries with rank -1 are left out and counted.

    Args:
        ranks: wrong references ahead of, or level with, each query's best true one.
        references: in the pool.
        positives: true references of a query, on average.
        more: other scores by name, as average precision.

    Raises:
        ValueError: no query has its true reference in the pool.
    """
    known = ranks[ranks >= 0]
    if len(known) == 0:
        raise ValueError(
            f"none of the {len(ranks)} queries has its true reference among the {references} in the pool: "
            "there is no recall to compute; check that the truth belongs to these images"
        )

    def at(k: int) -> float:
        return float((known < k).mean())

    return Recall(
        r1=at(1),
        r5=at(5),
        r10=at(10),
        r1pct=at(max(1, references // 100)),
        queries=len(known),
        references=references,
        without_reference=len(ranks) - len(known),
        protocol=f"{protocol}, ties count against",
        positives=positives,
        more=more or {},
    )
