"""Which of several adapters finds most, told without labels: each is made again without some training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ucvgl.networks.adapter import Adapter
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.decoys import RATE, Estimate
from ucvgl.pseudo_labels.strangers import decoys_preferred, recall_beside_strangers
from ucvgl.training.closed_form import describe
from ucvgl.training.frozen_features import Features

Pools = Mapping[View, Features]
Rows = Mapping[View, np.ndarray]
WAYS = VIEWS, VIEWS[::-1]
FOLDS = 4
ENOUGH = 500
"""Strangers of a view, after which no further fold is left out."""
ASKED = 2000
"""Queries that are asked at most."""


def judge(
    train: Pools, pools: tuple[Pools, Pools], make: Callable[[Rows, int], Mapping[str, Adapter]], *, seed: int = 0
) -> dict[str, tuple[Estimate, Estimate]]:
    """R@1 of every adapter, both ways, as far as strangers tell.

    Args:
        pools: of the question, and of the question the other way round.
        make: the adapters by name, from training images without those of a fold; given the rows left out of each view
            and the number of the fold.
    """
    counts: dict[str, list[list[np.ndarray]]] = {}
    draw = np.random.default_rng(seed)
    order: dict[View, np.ndarray] = {view: draw.permutation(len(train[view])) for view in VIEWS}
    asked = [np.sort(draw.permutation(len(pool[one]))[:ASKED]) for pool, (one, _) in zip(pools, WAYS, strict=True)]
    folds = min(FOLDS, -(-ENOUGH * FOLDS // min(map(len, order.values()))))
    for fold in range(folds):
        left_out: dict[View, np.ndarray] = {view: rows[fold::FOLDS] for view, rows in order.items()}
        strangers = {view: train[view].only(np.sort(rows[:ASKED])) for view, rows in left_out.items()}
        for name, adapter in make(left_out, fold).items():
            strange = {view: describe(adapter, strangers[view], view) for view in VIEWS}
            ways = counts.setdefault(name, [[], [], [], []])
            for number, (pool, rows, (one, other)) in enumerate(zip(pools, asked, WAYS, strict=True)):
                own, searched = describe(adapter, pool[one].only(rows), one), describe(adapter, pool[other], other)
                for who, asks in enumerate((own, strange[one])):
                    ways[2 * number + who].append(decoys_preferred(asks, searched, strange[other]))
    sizes = [(pool[other], order[other]) for pool, (_, other) in zip(pools, WAYS, strict=True)]
    each = [RATE * min(1.0, len(pool) * FOLDS / len(rows)) for pool, rows in sizes]

    def found(own: list[np.ndarray], strange: list[np.ndarray], probability: float) -> Estimate:
        return recall_beside_strangers(own, strange, share=1 / FOLDS, each=probability)

    return {
        name: (found(own, strange, each[0]), found(own_back, strange_back, each[1]))
        for name, (own, strange, own_back, strange_back) in counts.items()
    }


def best(judged: Mapping[str, tuple[Estimate, Estimate]], habit: str) -> str:
    """The row that is believed to find most where the judge is sure that it is more than by habit; else the habit.

    It is sure where the bounds of both, the mean over both ways, do not meet.
    """

    def mean(name: str, bound: str) -> float:
        return sum(getattr(way, bound) for way in judged[name])

    if habit not in judged:
        return max(judged, key=lambda name: mean(name, "value"))
    ahead = [name for name in judged if mean(name, "low") > mean(habit, "high")]
    return max(ahead, key=lambda name: mean(name, "value"), default=habit)
