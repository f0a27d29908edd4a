"""The steps of all epochs of some sources of pairs, made epoch by epoch as they are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ucvgl.training.batches import Pairs, epoch_order

Step = tuple[Pairs, np.ndarray]


def epochs_of(sources: Sequence[Pairs], batch: int, *, epochs: int, steps: int) -> int:
    """Epochs to train for: those of few images are over before encoders have learned anything.

    Args:
        batch: pairs in a step.
        epochs: at least.
        steps: at least, in all.
    """
    return max(epochs, math.ceil(steps / sum(math.ceil(len(pairs) / batch) for pairs in sources)))


class Epochs:
    """Every step's source and pair numbers; all of an epoch's batches come in an order of their own.

    All epochs have as many steps as the first one. Where pairs exclude each other another epoch may be made of a few
    batches more, which are left out, or fewer, of which it shows some again.

    Args:
        batch: pairs in a step, over all workers.
    """

    def __init__(self, sources: Sequence[Pairs], batch: int, epochs: int, seed: int) -> None:
        self._sources, self._batch, self._epochs, self._seed = sources, batch, epochs, seed
        self._epoch = lru_cache(maxsize=2)(self._made)  # threads read ahead into the next one
        self._length = len(self._epoch(0)) if epochs else 0

    def __len__(self) -> int:
        return self._epochs * self._length

    def __getitem__(self, step: int) -> Step:
        epoch, place = divmod(step, self._length)
        steps = self._epoch(epoch)
        return steps[place % len(steps)]

    def _made(self, epoch: int) -> list[Step]:
        steps = [
            (source, rows)
            for number, source in enumerate(self._sources)
            for rows in epoch_order(source, self._batch, (self._seed, epoch, number))
        ]
        order = np.random.default_rng((self._seed, epoch, len(self._sources))).permutation(len(steps))
        return [steps[place] for place in order]
