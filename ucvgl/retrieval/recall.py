"""Recall at k with one true reference per query, by counting, with ties against the method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

ROUNDING = 1e-6
"""Similarities closer than this share of the vectors' lengths are a tie: float32 cannot order them."""


def ranks(
    query: Float[np.ndarray, "q d"],
    reference: Float[np.ndarray, "r d"],
    truth: Int[np.ndarray, " q"],
    *,
    query_block: int = 1024,
    reference_block: int = 8192,
) -> Int[np.ndarray, " q"]:
    """How many wrong references stand before or level with the true one, for each query; 0 is a hit at 1.

    Ties and non-finite similarities count against the method: when every embedding is the same, or NaN, every
    query ranks last. (Counting only strictly greater similarities gives such a model 100 %.)

    Args:
        truth: row of the true reference; -1 where the pool holds none, and the rank is -1 too.
    """
    found = np.full(len(query), -1)
    known = np.flatnonzero(truth >= 0)
    for start in range(0, len(known), query_block):
        rows = known[start : start + query_block]
        found[rows] = _ranks_of_block(query[rows], reference, truth[rows], reference_block)
    return found


def _ranks_of_block(query: np.ndarray, reference: np.ndarray, truth: np.ndarray, block: int) -> np.ndarray:
    target = reference[truth]
    with np.errstate(invalid="ignore", over="ignore"):
        own = np.einsum("qd,qd->q", query, target)
        lengths = np.linalg.norm(query, axis=1) * np.linalg.norm(target, axis=1)
        bar = own - ROUNDING * lengths  # NaN where anything is not finite, and nothing is below NaN
        behind = np.zeros(len(query), int)
        for start in range(0, len(reference), block):
            similarity = query @ reference[start : start + block].T
            behind += ((similarity < bar[:, None]) & np.isfinite(similarity)).sum(axis=1)
    return len(reference) - 1 - behind


@dataclass(frozen=True)
class Recall:
    """Shares of the queries whose true reference is among the best k, with what is needed to judge them.

    Args:
        r1pct: at k = 1 % of the pool, rounded down, but at least 1.
        queries: how many have a true reference and were counted.
        references: size of the pool that was searched.
        without_reference: queries left out because the pool holds no true reference.
    """

    r1: float
    r5: float
    r10: float
    r1pct: float
    queries: int
    references: int
    without_reference: int = 0
    protocol: str = "one true tile, ties count against"

    @property
    def chance(self) -> float:
        """R@1 of a blind guess."""
        return 1 / self.references

    @property
    def one_percent(self) -> int:
        """The k of R@1%."""
        return max(1, self.references // 100)

    def __str__(self) -> str:
        parts = [
            f"chance R@1 {100 * self.chance:.2g}",
            f"{self.queries} queries x {self.references} references",
            f"protocol: {self.protocol}, 1% = best {self.one_percent}",
        ]
        if self.without_reference:
            parts.insert(2, f"{self.without_reference} queries without a tile left out")
        scores = {"R@1": self.r1, "R@5": self.r5, "R@10": self.r10, "R@1%": self.r1pct}
        shares = "  ".join(f"{name} {100 * share:.1f}" for name, share in scores.items())
        return f"{shares}   ({'; '.join(parts)})"


def recall(ranks: Int[np.ndarray, " q"], references: int) -> Recall:
    """Recall from ranks; queries with rank -1 are left out and counted."""
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
    )
