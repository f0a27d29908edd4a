"""Which rows meet in which step: a function of the seed and the epoch alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from ucvgl.model.towers import View


@dataclass(frozen=True)
class Pairs:
    """Rows of a query store and of a reference store that are trained as positives of each other.

    Args:
        name: what the pairs are, for logs.
        views: which encoder sees each side; `("query", "query")` is intra-view.
        stores: folder of the image store of each side.
        query: row of each pair's first side.
        reference: row of each pair's second side.
        label_smoothing: of the loss on these pairs.
        labelled: False for rows that are no pair and serve as negatives only (the dustbin).
    """

    name: str
    views: tuple[View, View]
    stores: tuple[Path, Path]
    query: Int[np.ndarray, " n"]
    reference: Int[np.ndarray, " n"]
    label_smoothing: float = 0.1
    labelled: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.query)


@runtime_checkable
class Rows(Protocol):
    """Pairs of rows, whatever they are rows of."""

    @property
    def query(self) -> np.ndarray: ...
    @property
    def reference(self) -> np.ndarray: ...
    def __len__(self) -> int: ...


def epoch_order(pairs: Rows, batch: int, seed: tuple[int, ...]) -> list[Int[np.ndarray, " b"]]:
    """Batches of pair numbers for one epoch in which no batch holds a query or a reference twice.

    A pair whose query or reference is already in the batch waits for the next one, so a reference that several
    queries share never becomes its own false negative. Every pair comes once, save those of late batches less than
    half as large as the first, which are dropped.
    """
    waiting = list(np.random.default_rng(seed).permutation(len(pairs)))
    batches = []
    while waiting:
        chosen, later = [], []
        queries: set[int] = set()
        references: set[int] = set()
        for place, row in enumerate(waiting):
            query, reference = int(pairs.query[row]), int(pairs.reference[row])
            if query in queries or reference in references:
                later.append(row)
                continue
            chosen.append(row)
            queries.add(query)
            references.add(reference)
            if len(chosen) == batch:
                later.extend(waiting[place + 1 :])
                break
        batches.append(np.array(chosen))
        waiting = later
    return [rows for rows in batches if 2 * len(rows) >= len(batches[0])]
