"""The judge: how many choices are right, told without a label by decoys.

A mirrored tile is nobody's, and else like a tile. Beside the tiles that are searched stand such decoys; where a query
prefers one, it is wrong for certain. Wrong choices fall on tiles and on decoys alike, so those that fell on decoys tell
how many of the others are wrong: the target-decoy competition of proteomics (Elias and Gygi 2007), applied to
retrieval. What it is worth is measured in `docs/judge.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from scipy.special import betaincinv

RATE = 0.25
"""Decoys that are thought to stand beside the tiles when recall is estimated, for each of these. The more, the more it
is the recall of a larger pool; the fewer, the noisier it is."""
DECOYS_AHEAD = 15
"""Of the best reference of a query: more than so many are counted as so many."""
RIDGE = 1e-3
"""Keeps a curve finite where margins separate tiles from decoys without exception."""


@dataclass(frozen=True)
class Estimate:
    """A share, and the bounds between which it lies in 95 of 100 cases if wrong choices fall on decoys as on tiles."""

    value: float
    low: float
    high: float


def percent(estimate: Estimate) -> str:
    """An estimate as one says it: `41 % (35 to 47)`."""
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def decoys_ahead(partners: Int[np.ndarray, "q k"], references: int) -> Int[np.ndarray, " q"]:
    """How many decoys each query prefers to its best reference; k, where no reference is among its partners.

    Args:
        partners: the best of each query, best first; decoys are numbered after the references.
    """
    own = (partners >= 0) & (partners < references)
    return np.where(own.any(1), own.argmax(1), partners.shape[1])


def judged_recall(partners: Int[np.ndarray, "q k"], references: int) -> Estimate:
    """The recall of a pool as far as decoys tell, from the best partners of each query; there are as many decoys.

    Args:
        partners: more than `DECOYS_AHEAD`, best first; decoys are numbered after the references.
    """
    ahead = decoys_ahead(partners[:, : DECOYS_AHEAD + 1], references)
    return estimated_recall(ahead, references=references, decoys=references)


def estimated_recall(ahead: Int[np.ndarray, " q"], *, references: int, decoys: int) -> Estimate:
    """Share of the queries whose best reference is the true one (R@1), from the decoys that each prefers to it.

    With m decoys ahead of its best reference, a query chooses a decoy with probability 1 - (1 - p)^m when each stands
    there with probability p; and a wrong reference as many times as often as there are references for each of these.

    Args:
        ahead: how many decoys each query prefers to its best reference.
        references: how many are searched, all with equal claim.
        decoys: how many there are in all.
    """
    if not len(ahead):
        return Estimate(0.0, 0.0, 1.0)
    each = min(1.0, RATE * references / decoys)
    chosen, times = 1 - (1 - each) ** np.asarray(ahead, float), 1 + references / (each * decoys)
    # As if two more had been asked, one of which chose a decoy: a few that all choose alike make nobody sure.
    value, deviation = 1 - times * chosen.mean(), times * np.append(chosen, (0, 1)).std() / math.sqrt(len(ahead))
    return _between(value, value - 1.96 * deviation, value + 1.96 * deviation)


def estimated_precision(labels: int, on_decoys: int, *, references: int, decoys: int) -> Estimate:
    """Share of the mutual labels on references that are right, from the number of those that fell on decoys.

    A decoy has no query of its own that would keep another from it; of the references only those have none that carry
    no right label. So wrong labels fall on these as often as on decoys, one for one.

    Args:
        labels: on references.
        on_decoys: made in the same way, and wrong for certain.
    """
    if not labels:
        return Estimate(0.0, 0.0, 1.0)

    def precision(count: float) -> float:
        rate = min(count / decoys, 1.0)
        wrong = labels if rate >= 1 else rate * max(references - labels, 0) / (1 - rate)
        return 1 - wrong / labels

    def ratio(share: float) -> float:
        """Labels on decoys, where these are so many of all that were made."""
        return labels * share / (1 - share) if share < 1 else np.inf

    # Both numbers are counts: Clopper and Pearson's bounds of the share that fell on decoys.
    most = float(betaincinv(on_decoys + 1, labels, 0.975))
    least = float(betaincinv(on_decoys, labels + 1, 0.025)) if on_decoys else 0.0
    return _between(precision(on_decoys), precision(ratio(most)), precision(ratio(least)))


def right_probability(
    margin: Float[np.ndarray, " q"], on_decoy: Bool[np.ndarray, " q"], *, references: int, decoys: int
) -> Float[np.ndarray, " q"]:
    """Probability that a choice with such a margin is right, had it fallen on a reference; by a logistic curve.

    Args:
        margin: best minus second-best similarity, references and decoys together.
        on_decoy: which choices fell on one.
    """
    if not len(margin):
        return np.zeros(0)
    known = np.nan_to_num(margin, posinf=np.nanmax(margin[np.isfinite(margin)], initial=1.0))
    intercept, slope = rising_logistic(known, ~on_decoy)
    own = logistic(intercept + slope * known)
    return np.clip(1 - (1 - own) / own * references / decoys, 0, 1)


def rising_logistic(x: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Intercept and slope of a logistic regression of `positive` on one number that does not fall with it."""
    spread, sign = float(x.std()) or 1.0, np.where(positive, 1.0, -1.0)
    scaled = x / spread

    def loss(weights: np.ndarray) -> float:
        return np.logaddexp(0, -sign * (weights[0] + weights[1] * scaled)).sum() + RIDGE * (weights @ weights)

    intercept, slope = minimize(loss, np.zeros(2), bounds=[(None, None), (0, None)]).x
    return float(intercept), float(slope) / spread


def logistic(log_odds: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The probability that has these log odds; beyond 60 either way it is as good as sure."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))


def _between(value: float, low: float, high: float) -> Estimate:
    return Estimate(*(float(np.clip(share, 0, 1)) for share in (value, low, high)))
