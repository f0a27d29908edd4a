"""A learning rate is stated with its batch, and follows it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from ucvgl.settings.experiment import Experiment


def rates_of_batches(before: Experiment, after: Experiment, named: Collection[str]) -> Experiment:
    """The settings after some were named; where a batch was and its learning rate was not, that follows.

    By the square root of what the batch grew by, to three digits: the rule for Adam, whose steps have the size of the
    rate whatever the gradient, so that only their noise depends on the batch (Malladi et al. 2022, NeurIPS). The two
    trainings with AdamW have it; no such rule is known for the two players of a CycleGAN.

    Args:
        before: where each rate is stated with its batch.
        named: dotted names of what somebody set.
    """
    followed = {}
    for group in ("contrast", "adaptation"):
        old, new = getattr(before, group), getattr(after, group)
        if f"{group}.batch" in named and f"{group}.learning_rate" not in named and new.batch > 0:
            rate = float(f"{old.learning_rate * math.sqrt(new.batch / old.batch):.3g}")
            followed[group] = new if new.batch == old.batch else replace(new, learning_rate=rate)
    return replace(after, **followed)
