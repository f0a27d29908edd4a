"""Whether the place of a photo is in the index at all, calibrated without labels: mirrored tiles are nobody's.

The held-out queries of a run are searched twice: among the tiles of their own area, where their place is, and among
the mirror images of these, where it is not. How far the best tile leads those that follow tells both apart, as well as
it can be told. (Mirrors look like tiles that are not the place: `docs/localize.md` has how nearly.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ucvgl.index.confidence import FEWEST_QUERIES
from ucvgl.pseudo_labels.decoys import logistic, rising_logistic

RIVALS = 10
"""Tiles that follow the best one, against whose mean it is judged (`docs/localize.md`: more than the second alone)."""


@dataclass(frozen=True)
class Presence:
    """Probability that the place is in the index, as a function of the best tile's lead.

    Args:
        intercept: of the logistic curve, log odds.
        slope: log odds per unit of lead (cosine).
        queries: that were searched.
        pool: tiles that were searched, either time.
    """

    intercept: float
    slope: float
    queries: int
    pool: int

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, vars(self).values())):
            raise ValueError(f"a presence is made of finite numbers, not {self}")

    def here(self, lead: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Probability that the place is in the index, where as many photos are taken elsewhere as not."""
        return logistic(self.intercept + self.slope * lead)


def leads(scores: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """The best similarity less the mean of the `RIVALS` that follow (of all, where there are fewer), best first."""
    rivals = scores[:, 1 : RIVALS + 1]
    there = np.isfinite(rivals)
    mean = np.where(there, rivals, 0).sum(1) / np.maximum(there.sum(1), 1)
    return np.where(there.any(1), scores[:, 0] - mean, 0.0)


def calibrate_presence(
    own: Float[np.ndarray, "q k"], mirrored: Float[np.ndarray, "q k"], *, pool: int
) -> Presence:
    """Fit the probability to queries whose place is among the tiles, and the same queries among mirrors.

    Args:
        own: the best similarities of each query, best first, where its place is.
        mirrored: the same among as many tiles where it is not.

    Raises:
        ValueError: too few queries.
    """
    if len(own) < FEWEST_QUERIES:
        raise ValueError(f"{len(own)} queries are too few to tell who is elsewhere, it takes {FEWEST_QUERIES}")
    lead = np.concatenate((leads(own), leads(mirrored)))
    intercept, slope = rising_logistic(lead, np.arange(len(lead)) < len(own))
    return Presence(intercept, slope, len(own), pool)
