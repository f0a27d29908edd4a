"""Queries meet a set of references once; few pairs are left to score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from ucvgl.retrieval.best import Best, exact_scores
from ucvgl.retrieval.device import DeviceTile, Piece, resident, scores_on
from ucvgl.retrieval.precision import Precision, precision_for
from ucvgl.retrieval.rounded import Extent, error_bounds, extent
from ucvgl.retrieval.scan import Log, Side, Tile, Tiles, scan_block
from ucvgl.retrieval.vectors import Vectors

LONGEST = 2.0**62
"""No vector may be as long as this: products could overflow float32."""

BLOCK, TILE = 2048, 1088
"""Queries and references multiplied at a time by a processor. An odd multiple of 64 columns, so that the rows of a
tile do not all start at the same place of a cache."""

DEVICE_BLOCK, DEVICE_TILE = 8192, 8192
"""The same on a graphics card, which must be given much at a time."""


@dataclass(frozen=True)
class Found:
    """What a set of references leaves to choose from: the pairs that may be among a query's best, with their scores,
    and the best queries of every reference."""

    query: Int[np.ndarray, " p"]
    reference: Int[np.ndarray, " p"]
    score: Float[np.ndarray, " p"]
    reference_start: int
    columns: Best


RUNS, RUN = 16, 16
"""Of the vectors whose mean stands for all: how many runs of neighbours, and how long each is."""

Pieces = Sequence[Piece]


@dataclass
class Block:
    """What is left of a block of queries that has met all references."""

    rows: Side
    row_log: Log
    column_log: Log


@dataclass(frozen=True)
class Worktop:
    """What a thread needs while a block meets the references, and hands on to the next block."""

    columns: Side
    tile: Tile | DeviceTile
    room: np.ndarray


class Search:
    """A set of references, the queries that met it, and which pairs are still to be scored.

    First all queries meet the references; `meet` returns numbers that k scores of each query are known to reach. With
    those of other sets of references, `found` knows better what need not be scored.

    Args:
        shard: the first number of the references that are meant, and the one after the last; default: all.
        block: queries multiplied at a time; default: what suits the device.
        tile: references multiplied at a time, likewise.
        device: `cpu`, or a graphics card as PyTorch names it; `threads` count on a processor only.
    """

    def __init__(
        self,
        queries: Vectors,
        references: Vectors,
        shard: tuple[int, int] | None = None,
        *,
        k: int = 2,
        block: int | None = None,
        tile: int | None = None,
        threads: int = 1,
        dtype: torch.dtype | None = None,
        device: str = "cpu",
    ) -> None:
        self._device, host, shard = device, device == "cpu", shard or references.span
        block, tile = block or (BLOCK if host else DEVICE_BLOCK), tile or (TILE if host else DEVICE_TILE)
        self._k, self._block, self._threads, self._shard = k, block, threads if host else 1, shard
        self._queries, self._vectors, self._count = queries, references, shard[1] - shard[0]
        centres = centre(queries, queries.span), centre(references, shard)
        self._precision = how = precision_for(queries.dimension, *centres, dtype, device)
        self._references: Tiles | None = _tiles(references, shard, how, tile)
        self._met = Extent(0, 0, 0, 0)
        self._blocks: dict[int, Block] = {}
        self._columns = [self._side(self._count, np.zeros(self._count)) for _ in range(self._threads)]
        self._free: SimpleQueue[Worktop] = SimpleQueue()
        for columns in self._columns:
            memory = Tile(block, tile, how.dtype) if host else DeviceTile(k, how.integer)
            self._free.put(Worktop(columns, memory, queries.room(block)))

    def meet(self, start: int, stop: int) -> Float32[np.ndarray, "q k"]:
        """Let the queries numbered `start:stop` meet the references; per query, k numbers that its best scores reach.

        A block that has been here before is not met again.
        """
        assert self._references is not None, "the references are at rest"
        meet = partial(self._meet, self._references, stop)
        with single_threaded(), ThreadPoolExecutor(self._threads) as pool:
            reach = list(pool.map(meet, range(start, stop, self._block)))
        return np.concatenate([np.empty((0, self._k), np.float32), *reach])

    @property
    def resting(self) -> bool:
        """Whether it has no references yet, or has let them go."""
        return self._references is None

    def rest(self) -> None:
        """Let go of the references; all that is still needed are the logs."""
        self._references, self._free = None, SimpleQueue()

    def found(self, lower: Float[np.ndarray, " q"] | None = None) -> Found:
        """Score what is left; no query can meet these references any more.

        Args:
            lower: by number of the query, what k of its scores are known to reach.
        """
        self.rest()
        columns = Best(self._count, self._k)
        column_lower = kth_reached(np.concatenate([side.reach() for side in self._columns], axis=1), self._k)
        for side in self._columns:
            columns.insert(*present(side.exact.score, side.exact.index))
        pairs = [(np.empty(0, int), np.empty(0), np.empty(0, int))]
        rooms: SimpleQueue[np.ndarray] = SimpleQueue()
        for _ in range(self._threads):
            rooms.put(self._queries.room(self._block))
        references = self._vectors.pieces(*self._shard)
        if self._device != "cpu":
            references = resident(torch.device(self._device), references)
        score = partial(self._score, references, rooms, lower, column_lower)
        with ThreadPoolExecutor(self._threads) as pool:
            for row_pairs, column_pairs in pool.map(score, sorted(self._blocks)):
                pairs += row_pairs
                columns.insert(*column_pairs)
        query, scores, reference = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return Found(query, reference, scores, self._shard[0], columns)

    def met(self, start: int) -> bool:
        """Whether the block of queries that begins at this number has been here."""
        return start in self._blocks

    def _meet(self, references: Tiles, stop: int, start: int) -> np.ndarray:
        if start in self._blocks:
            return self._blocks[start].rows.reach()
        worktop = self._free.get()
        try:
            queries = self._queries.read(start, min(start + self._block, stop), worktop.room)
            own = self._precision.queries(torch.from_numpy(queries).to(self._device))
            refuse(own.size, queries, "queries", start)
            rows = self._side(len(queries), error_bounds(own, references.extent, unit=self._precision.unit))
            self._met = met = _larger(self._met, extent(own))
            columns = worktop.columns
            for number, tile in enumerate(references.tiles):
                error = columns.error[number * references.width :][: len(tile.size)]
                np.maximum(error, error_bounds(tile, met, unit=self._precision.unit), out=error)
            logs = scan_block(queries, own, start, references, rows, columns, worktop.tile)
        finally:
            self._free.put(worktop)
        self._blocks[start] = Block(rows, *logs)
        return rows.reach()

    def _score(self, references: Pieces, rooms, lower, column_lower, start):
        """The pairs of a block that are worth it, (own, score, other): of its queries, and of the references."""
        block = self._blocks[start]
        count, row_lower = len(block.rows.lower), block.rows.lower
        if lower is not None:
            row_lower = np.maximum(row_lower, lower[start : start + count])
        of_rows = block.row_log.within(row_lower, block.row_log.query)
        of_columns = block.column_log.within(column_lower, block.column_log.reference)
        query, reference = (np.concatenate([getattr(log, side) for log in (of_rows, of_columns)]).astype(int)
                            for side in ("query", "reference"))  # fmt: skip
        _, first, again = np.unique(reference * count + query, return_index=True, return_inverse=True)
        room = rooms.get()
        try:
            queries = self._queries.read(start, start + count, room)
            scores = self._scores(queries, references, query[first], reference[first] + self._shard[0])[again]
        finally:
            rooms.put(room)
        scores = np.split(scores, [len(of_rows.query)])
        query, score, reference = present(block.rows.exact.score, block.rows.exact.index)
        return (
            [
                (query + start, score, reference),
                (of_rows.query.astype(int) + start, scores[0], of_rows.reference.astype(int) + self._shard[0]),
            ],
            (of_columns.reference, scores[1], of_columns.query.astype(int) + start),
        )

    def _scores(self, queries: np.ndarray, references: Pieces, row: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Of pairs in the order of their references."""
        parts = []
        for first, piece in references:
            some = slice(*np.searchsorted(reference, (first, first + len(piece))))
            parts.append((piece, row[some], reference[some] - first))
        if self._device == "cpu":
            return np.concatenate([np.empty(0), *(exact_scores(queries, *part) for part in parts)])
        own = torch.from_numpy(queries).to(self._device)
        return np.concatenate([np.empty(0), *(scores_on(own, *part) for part in parts)])

    def _side(self, count: int, error: np.ndarray) -> Side:
        how = self._precision
        return Side(count, self._k, error, rounding=how.rounding, offset=how.offset, integer=how.integer)


def kth_reached(reach: Float32[np.ndarray, "n parts_times_k"], k: int) -> Float32[np.ndarray, " n"]:
    """What k scores of each vector reach, from what they reach among several parts of the partners."""
    return np.partition(reach, -k, axis=1)[:, -k]


def present(
    score: Float[np.ndarray, "n k"], index: Int[np.ndarray, "n k"]
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The partners there are: vector, score, partner."""
    row, rank = np.nonzero(index >= 0)
    return row, score[row, rank], index[row, rank]


def centre(vectors: Vectors, span: tuple[int, int]) -> Float32[np.ndarray, " d"]:
    """About the mean: of a few hundred vectors, in runs that are evenly spread; it changes the speed only."""
    room, runs = vectors.room(RUN), range(*span, max(1, (span[1] - span[0]) // RUNS))
    means = [vectors.read(at, min(at + RUN, span[1]), room).mean(0, dtype=np.float64) for at in runs]
    return np.mean(means or [np.zeros(vectors.dimension)], axis=0).astype(np.float32)


def _tiles(references: Vectors, shard: tuple[int, int], precision: Precision, width: int) -> Tiles:
    tiles, whole, room = [], Extent(0, 0, 0, 0), references.room(width)
    for left in range(*shard, width):
        if precision.dtype == torch.float32:  # which a tile keeps as it is read
            room = references.room(width)
        vectors = references.read(left, min(left + width, shard[1]), room)
        tile = precision.references(torch.from_numpy(vectors).to(precision.centres[1].device))
        refuse(tile.size, vectors, "references", left)
        tiles.append(tile)
        whole = _larger(whole, extent(tile))
    return Tiles(references, shard[0], tiles, whole, width)


def _larger(a: Extent, b: Extent) -> Extent:
    return Extent(*(max(getattr(a, name), getattr(b, name)) for name in ("size", "lost", "bias", "bias_lost")))


def refuse(size: Float[np.ndarray, " n"], vectors: Float32[np.ndarray, "n d"], side: str, start: int) -> None:
    """See that vectors can be multiplied.

    Args:
        size: bounds of their lengths.
        side: what they are: `queries` or `references`.
        start: number of the first.

    Raises:
        ValueError: some are not finite, or too long; with their numbers.
    """
    if (size < LONGEST).all():
        return
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    bad = np.flatnonzero(~(length < LONGEST))
    raise ValueError(
        f"{side} {(bad[:5] + start).tolist()} ({len(bad)} in all) are not finite, or too long to "
        "multiply; look at the images they come from, and at the loss of the model"
    )


@contextmanager
def single_threaded() -> Iterator[None]:
    """Threads of ours, one product each: two on two cores are faster than one product that uses both."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
