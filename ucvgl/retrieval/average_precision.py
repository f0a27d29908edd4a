"""Average precision of rankings with several true references, in the two forms that papers print."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def average_precision(ranks: Int[np.ndarray, "q p"]) -> dict[str, float]:
    """Mean over the queries that have a true reference, by the name of the rule.

    `AP (trapezoid)` is the rule of University-1652's released evaluation: each true reference adds the mean of the
    precision with it and just before it, which is 1 before the first place. A single true reference in second place
    scores 1/4. `AP (plain)` adds the precision with it alone, and scores 1/2 there.

    Args:
        ranks: wrong references before each true one, in any order; -1 pads.
    """
    known = ranks[(ranks >= 0).any(axis=1)]
    if len(known) == 0:
        return {}
    wrong = np.sort(np.where(known >= 0, known, np.iinfo(known.dtype).max), axis=1)
    counted = np.sort(known < 0, axis=1) == 0
    before = np.broadcast_to(np.arange(known.shape[1]), known.shape)
    place = np.where(counted, wrong, 0) + before
    precision = (before + 1) / (place + 1)
    just_before = np.where(place > 0, before / np.maximum(place, 1), 1.0)
    share = counted / counted.sum(axis=1, keepdims=True)
    return {
        "AP (trapezoid)": float((share * (precision + just_before) / 2).sum(axis=1).mean()),
        "AP (plain)": float((share * precision).sum(axis=1).mean()),
    }
