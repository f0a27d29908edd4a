"""Descriptors of the frozen model, as they lie in the run: parts that are mapped and not loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

from ucvgl.files import cached
from ucvgl.files.plain import load_numbers

BLOCK = 4096
"""Rows that are read at once where only some of them are asked for."""


class Features:
    """Rows of `.npy` parts, float32 [n turns*d], in the order of the parts; read at random.

    A part holds the descriptors of every turn side by side, each divided by the root of the number of turns.
    """

    def __init__(self, parts: Sequence[Path], *, turns: int = 1) -> None:
        self.turns = turns
        self._parts = [load_numbers(cached.here(part), mmap_mode="r") for part in parts]
        self._starts = np.cumsum([0] + [len(part) for part in self._parts])
        self._rows: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._rows is None else len(self._rows)

    def only(self, rows: Int[np.ndarray, " n"]) -> Features:
        """Some of these rows, in this order, as if there were no others."""
        some = copy(self)
        some._rows = rows if self._rows is None else self._rows[rows]
        return some

    @property
    def dimension(self) -> int:
        """Numbers in the descriptor of one turn."""
        return self._parts[0].shape[1] // self.turns

    def read(self, rows: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n t d"]:
        """The unit-norm descriptors of these rows, in this order."""
        rows = rows if self._rows is None else self._rows[rows]
        out = np.empty((len(rows), self.turns * self.dimension), np.float32)
        part = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(part):
            own = part == number
            out[own] = self._parts[number][rows[own] - self._starts[number]]
        return out.reshape(len(rows), self.turns, self.dimension) * np.float32(self.turns**0.5)

    def mean(self) -> Float32[np.ndarray, " d"]:
        """Over all rows and turns, in float64 on the way."""
        total = sum(block.sum(axis=(0, 1), dtype=np.float64) for block in self.blocks())
        return (np.asarray(total) / (len(self) * self.turns)).astype(np.float32)

    def covariance(self) -> Float32[np.ndarray, "d d"]:
        """Of all rows and turns about their mean, summed in float64."""
        total, mean = np.zeros((self.dimension, self.dimension)), self.mean()
        for block in self.blocks():
            apart = block.reshape(-1, self.dimension) - mean
            total += apart.T @ apart
        return (total / (len(self) * self.turns)).astype(np.float32)

    def blocks(self) -> Iterator[Float32[np.ndarray, "n t d"]]:
        """Part after part; of some of the rows, as many as a part may have."""
        starts = self._starts if self._rows is None else [*range(0, len(self), BLOCK), len(self)]
        for start, stop in zip(starts, starts[1:], strict=False):
            yield self.read(np.arange(start, stop))
