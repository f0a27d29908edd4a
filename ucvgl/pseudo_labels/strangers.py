"""The judge of pooled descriptors: how many choices are right, told without a label by strangers.

To a network that pools its patches a mirrored tile is nearly the tile itself (`decoys` has the judge for those that do
not). Strangers are training images that were left out when an adapter was made: as decoys they stand beside the pool
that is searched, and as queries they belong to nothing in it. What they prefer tells how often a choice falls on a
decoy where it cannot be right, whatever hubs there are among pool and decoys:

    R@1 = 1 - E[decoy | query of the pool] / E[decoy | stranger]

where a decoy is chosen with probability 1 - (1 - p)^m from m that are preferred to the best of the pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, RATE, Estimate


def decoys_preferred(
    asked: Float[np.ndarray, "q d"], pool: Float[np.ndarray, "r d"], decoys: Float[np.ndarray, "m d"]
) -> Int[np.ndarray, " q"]:
    """How many decoys each query prefers to the best of the pool."""
    return (asked @ decoys.T > (asked @ pool.T).max(axis=1, keepdims=True)).sum(axis=1)


def recall_beside_strangers(
    asked: Sequence[Int[np.ndarray, " _"]],
    strange: Sequence[Int[np.ndarray, " _"]],
    *,
    share: float,
    each: float = RATE,
) -> Estimate:
    """R@1 of a pool, from the decoys that its queries and the strange queries prefer to its best; a fold a row.

    Args:
        share: of the strange queries that have their own reference among the decoys: as they find it as often as those
            of the pool find theirs, it is taken out.
        each: probability p of a decoy.
    """
    own, other = (1 - (1 - each) ** np.minimum(np.concatenate(some), DECOYS_AHEAD) for some in (asked, strange))
    value, null = 0.0, max(other.mean(), 1e-9)
    for _ in range(50):
        found = share * np.clip(value, 0, 1) * each * (1 - other.mean())
        null = max(other.mean() - found, 1e-9)
        value = 1 - own.mean() / null
    ratio = own.mean() / null
    apart = [np.append(some, (0, 1)).std() for some in (own, other)]  # as in `estimated_recall`
    spread = math.hypot(apart[0] / null / math.sqrt(len(asked[0])), ratio * apart[1] / null / math.sqrt(len(other)))
    low, high = value - 1.96 * spread, value + 1.96 * spread
    return Estimate(*(float(np.clip(one, 0, 1)) for one in (value, low, high)))
