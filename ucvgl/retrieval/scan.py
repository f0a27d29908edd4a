"""One pass of query blocks over the tiles of a set of references, which leaves few pairs to score.

A fast product (`ucvgl.retrieval.rounded`) stands for every score within a known error. For each vector the pass keeps
`lower`, which k exact scores are known to reach, and logs the pairs whose score could be as high. `lower` rises with
every tile, so a later look at the log (`Log.within`) drops most of it; what is left is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from ucvgl.retrieval.best import Best, float32_product
from ucvgl.retrieval.cpu_tile import (
    COLUMN_GROUP,
    ROW_GROUP,
    candidates,
    cutoffs,
    group_maxima,
    keep_highest,
    numbers,
)
from ucvgl.retrieval.device import DeviceTile
from ucvgl.retrieval.rounded import Extent, Rounded, as_float32, error_bounds, extent
from ucvgl.retrieval.vectors import Vectors

LOGGED_PER_VECTOR = 24
"""Pairs of one tile that a vector may log, on average; more of them, and the tile is done again in float32."""


@dataclass(frozen=True)
class Log:
    """Pairs that may be among the best of one side's vectors, with a number that their score does not exceed."""

    query: np.ndarray
    reference: np.ndarray
    upper: Float32[np.ndarray, " p"]

    def within(self, lower: Float[np.ndarray, " n"], own: Int[np.ndarray, " p"]) -> Log:
        """Those that reach what is known of their vector `own` by now."""
        kept = self.upper >= lower[own]
        return Log(self.query[kept], self.reference[kept], self.upper[kept])


class Side:
    """What is known so far of the best k partners of the vectors of one side.

    Args:
        error: of the fast product, for any partner met so far; may be raised between blocks.
        rounding: further relative error of the numbers in a tile.
        offset: score minus number.
        integer: type that holds the bits of a number.
    """

    def __init__(
        self, count: int, k: int, error: Float[np.ndarray, " n"], *, rounding: float, offset: float, integer: type
    ) -> None:
        self.error, self.rounding, self.offset = error, rounding, offset
        self.keys = np.full((k, count), np.iinfo(integer).min, integer)
        self.lower = np.full(count, -np.inf)
        self.exact = Best(count, k)
        """Of the tiles that were done again."""

    def cutoffs(self, first: int, maxima: Int[np.ndarray, "g v"]) -> Int[np.ndarray, " v"]:
        """Take in the group maxima of a tile; the lowest key of interest of each of the vectors `first...`."""
        keep_highest(self.keys, first, maxima)
        out = np.empty(maxima.shape[1], maxima.dtype)
        cutoffs(self.keys, first, self.lower, self.error, self.rounding, self.offset, out)
        return out

    def settle(self, first: int, count: int) -> None:
        """Take in what `exact` holds by now of these vectors."""
        part = slice(first, first + count)
        self.lower[part] = np.maximum(self.lower[part], self.exact.score[part, -1])

    def upper(
        self, own: Int[np.ndarray, " p"], keys: Int[np.ndarray, " p"]
    ) -> Float32[np.ndarray, " p"]:
        """What the scores of logged pairs do not exceed."""
        number = numbers(keys).astype(np.float64)
        upper = number + self.rounding * np.abs(number) + self.error[own] + self.offset
        return np.nextafter(upper.astype(np.float32), np.float32(np.inf))

    def reach(self) -> Float32[np.ndarray, "n k"]:
        """k numbers, falling, such that as many different partners as there are numbers >= t score >= t."""
        number = numbers(self.keys.T).astype(np.float64)
        lower = number - self.rounding * np.abs(number) - self.error[:, None] + self.offset
        lower[np.iinfo(self.keys.dtype).min == self.keys.T] = -np.inf
        lower = np.maximum(lower, self.exact.score).astype(np.float32)
        return np.nextafter(lower, np.float32(-np.inf))


@dataclass(frozen=True)
class Tiles:
    """A set of references, cut for the fast product.

    Args:
        vectors: of this set and others.
        start: number of the first one of this set.
        tiles: those of this set, rounded, `width` at a time.
        extent: largest sizes over all of them.
    """

    vectors: Vectors
    start: int
    tiles: Sequence[Rounded]
    extent: Extent
    width: int


class Tile:
    """One tile at a time, on a processor; its memory is used again, as fresh pages cost as much as the product."""

    def __init__(self, height: int, width: int, dtype: torch.dtype) -> None:
        self.integer = np.int16 if dtype == torch.bfloat16 else np.int32
        self._flip = self.integer(np.iinfo(self.integer).max)
        self._memory = torch.empty(height * width, dtype=dtype)
        self._of_rows = np.empty(-(-width // ROW_GROUP) * height, self.integer)
        self._of_columns = np.empty(-(-height // COLUMN_GROUP) * width, self.integer)
        room = LOGGED_PER_VECTOR * max(height, width)
        self._log = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, self.integer)
        self._bits = np.empty((0, 0), self.integer)
        self._maxima = np.empty((0, 0), self.integer), np.empty((0, 0), self.integer)

    def multiply(
        self, own: Rounded, other: Rounded
    ) -> tuple[Int[np.ndarray, "g q"], Int[np.ndarray, "b r"]]:
        """Make the tile; the maxima of groups along its rows and down its columns, [groups, vectors]."""
        height, width = len(own.operand), len(other.operand)
        tile = self._memory[: height * width].view(height, width)
        torch.mm(own.operand, other.operand.T, out=tile)
        self._bits = tile.view(torch.int16 if self.integer is np.int16 else torch.int32).numpy()
        groups, bands = -(-width // ROW_GROUP), -(-height // COLUMN_GROUP)
        self._maxima = (  # whole in memory: a cut out of a larger array is read twenty times slower
            self._of_rows[: groups * height].reshape(groups, height),
            self._of_columns[: bands * width].reshape(bands, width),
        )
        group_maxima(self._bits, self._flip, *self._maxima)
        return self._maxima

    def row_candidates(
        self, cutoff: Int[np.ndarray, " v"], room: int
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]] | None:
        """Row, column and key of the elements that reach their row's cutoff; None where there is no room for all."""
        row, column, keys = (part[:room] for part in self._log)
        count = candidates(self._bits, self._flip, self._maxima[0], cutoff, ROW_GROUP, row, column, keys)
        return _logged(count, row, column, keys)

    def column_candidates(
        self, cutoff: Int[np.ndarray, " v"], room: int
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]] | None:
        """The same for columns."""
        row, column, keys = (part[:room] for part in self._log)
        count = candidates(self._bits.T, self._flip, self._maxima[1], cutoff, COLUMN_GROUP, column, row, keys)
        return _logged(count, row, column, keys)


def _logged(
    count: int, row: np.ndarray, column: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    return None if count > len(keys) else (row[:count].copy(), column[:count].copy(), keys[:count].copy())


def scan_block(
    queries: Float32[np.ndarray, "q d"],
    own: Rounded,
    start: int,
    references: Tiles,
    rows: Side,
    columns: Side,
    tile: Tile | DeviceTile,
) -> tuple[Log, Log]:
    """Let a block of queries meet all references; the logs of both sides, where all count from 0.

    Args:
        own: the queries as `references.tiles` are.
        start: number of the first query, for what is scored right away.
        rows: new, of these queries.
        columns: of all references; goes on from block to block.
    """
    found: tuple[list, list] = ([], [])
    for number, other in enumerate(references.tiles):
        left = number * references.width
        of_rows, of_columns = tile.multiply(own, other)
        cutoffs = rows.cutoffs(0, of_rows), columns.cutoffs(left, of_columns)
        logs = (
            tile.row_candidates(cutoffs[0], LOGGED_PER_VECTOR * len(cutoffs[0])),
            tile.column_candidates(cutoffs[1], LOGGED_PER_VECTOR * len(cutoffs[1])),
        )
        for log, kept in zip(logs, found, strict=True):
            if log is not None:
                kept.append((log[0], log[1] + np.int32(left), log[2]))
        if any(log is None for log in logs):
            crowded = [log is None for log in logs]
            _again(queries, start, references, left, len(other.operand), rows, columns, crowded)
    row_log, column_log = (_join(parts, tile.integer) for parts in found)
    row_upper, column_upper = rows.upper(row_log[0], row_log[2]), columns.upper(column_log[1], column_log[2])
    return (
        Log(row_log[0], row_log[1], row_upper).within(rows.lower, row_log[0]),
        Log(column_log[0], column_log[1], column_upper).within(columns.lower, column_log[1]),
    )


def _again(
    queries: np.ndarray,
    start: int,
    references: Tiles,
    left: int,
    width: int,
    rows: Side,
    columns: Side,
    crowded: Sequence[bool],
) -> None:
    """Score the best pairs of a tile right away, found by float32 products."""
    own, first = queries, references.start + left
    other = references.vectors.read(first, first + width, references.vectors.room(width))
    product = float32_product(own, other)
    sizes = [as_float32(torch.from_numpy(side)) for side in (own, other)]
    if crowded[0]:
        error = error_bounds(sizes[0], extent(sizes[1]))
        rows.exact.update(own, other, product[: len(own)], error=error, first_own=0, first_other=first)
        rows.settle(0, len(own))
    if crowded[1]:
        error = error_bounds(sizes[1], extent(sizes[0]))
        columns.exact.update(other, own, product[:, : len(other)].T, error=error, first_own=left, first_other=start)
        columns.settle(left, len(other))


def _join(parts: list, integer: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not parts:
        return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, integer)
    row, column, keys = zip(*parts, strict=True)
    return np.concatenate(row), np.concatenate(column), np.concatenate(keys)
