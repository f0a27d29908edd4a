"""How sure an answer is, calibrated without labels: queries choose between their own area and tiles known to be wrong.

The held-out queries of a run are searched in their own tiles and, mixed among these, in tiles of another area: decoys.
Which own tile is right nobody says, but a decoy is wrong for certain. A wrong choice falls on a decoy as often as on
an own tile, tile for tile; so from the choices that fell on decoys follows how many of those that fell on own tiles
are wrong, at every margin. (The target-decoy competition of proteomics, Elias and Gygi 2007, applied to retrieval.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ucvgl.pseudo_labels.decoys import logistic, rising_logistic

FEWEST_QUERIES = 50
"""With fewer the curve would be noise."""
LARGEST = 1e3
"""Margin that counts as any larger one: that of a single tile is infinite, and a curve may have no slope."""


@dataclass(frozen=True)
class Calibration:
    """Confidence as a function of the margin.

    Args:
        intercept: of the logistic curve that tells own tiles from decoys, log odds.
        slope: of that curve, log odds per unit of margin (cosine).
        own_per_decoy: tiles of the queries' own area for each decoy.
        queries: how many made the choice.
        pool: own tiles and decoys together; the confidence is that of a search among about so many.
    """

    intercept: float
    slope: float
    own_per_decoy: float
    queries: int
    pool: int

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, vars(self).values())):
            raise ValueError(f"a calibration is made of finite numbers, not {self}")

    def confidence(self, margin: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Probability that the best tile is the true one, given that the true one is in the index."""
        own = logistic(self.intercept + self.slope * np.minimum(margin, LARGEST))
        return np.clip(1 - (1 - own) * (1 + self.own_per_decoy), 0, 1)


def calibrate(
    own: Float[np.ndarray, "q two"], decoy: Float[np.ndarray, "q two"], *, own_tiles: int, decoys: int
) -> Calibration:
    """Fit the confidence to the choices of queries between their own tiles and decoys.

    Args:
        own: best and second-best similarity of each query among the tiles of its own area.
        decoy: the same among the decoys.

    Raises:
        ValueError: too few queries.
    """
    if len(own) < FEWEST_QUERIES:
        raise ValueError(f"{len(own)} queries are too few to calibrate a confidence, it takes {FEWEST_QUERIES}")
    scores = -np.sort(-np.concatenate((own[:, :2], decoy[:, :2]), axis=1), axis=1)
    margin, chose_own = scores[:, 0] - scores[:, 1], own[:, 0] > decoy[:, 0]
    intercept, slope = rising_logistic(margin, chose_own)
    return Calibration(intercept, slope, own_tiles / decoys, len(own), own_tiles + decoys)


def margins(scores: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Best minus second-best similarity, best first; infinite where there is a single tile."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.inf)
    return scores[:, 0] - scores[:, 1]


def reliability(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], *, bins: int = 10
) -> tuple[list[tuple[float, float, int]], float]:
    """Mean confidence, share that is right and count of each bin, and the expected calibration error (ECE).

    Bins hold equally many answers, as equally wide ones would be nearly empty in places. ECE is the mean distance
    between confidence and share, weighted by count.
    """
    parts = [part for part in np.array_split(np.argsort(confidence, kind="stable"), bins) if len(part)]
    rows = [(float(confidence[part].mean()), float(right[part].mean()), len(part)) for part in parts]
    return rows, sum(count * abs(mean - share) for mean, share, count in rows) / len(confidence)
