"""Queries ranked against a set of references in one pass: how many stand before the true ones, and which come first.

One float32 product per pair serves both. The grid of blocks and tiles begins at the first query and at the first
reference of a shard, so that shards which are cut at multiples of `TILE` give the same counts as the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ucvgl.compiled import kernel
from ucvgl.poses.turns import best_of_stacked
from ucvgl.retrieval.best import GROUP, Best
from ucvgl.retrieval.recall import true_similarity
from ucvgl.retrieval.rounded import Extent, as_float32, error_bounds, extent
from ucvgl.retrieval.search import refuse, single_threaded
from ucvgl.retrieval.vectors import Vectors

BLOCK, TILE = 2048, 1024
"""Queries and references multiplied at a time."""
UNIT, DEVICE_UNIT = 2.0**-24, 2.0**-22
"""Rounding error of the additions in a product (`ucvgl.retrieval.rounded`), on a processor and on a graphics card."""


@dataclass(frozen=True)
class Question:
    """Which references are true of each query, and which others do not count; rows, padded with -1."""

    true: Int[np.ndarray, "q t"]
    spared: Int[np.ndarray, "q s"]


@dataclass(frozen=True)
class Ranked:
    """What a set of references adds to the answers.

    Args:
        ahead: for every question, how many references stand before or level with each true one, neither true nor
            spared themselves; ties count against. Where `true` is -1 it means nothing.
        best: of each query among the set.
        turn: at which of its turns a query is most like each of these.
    """

    ahead: list[Int[np.ndarray, "q _"]]
    best: Best
    turn: Int[np.ndarray, "q k"]


def rank(
    queries: Vectors,
    references: Vectors,
    questions: Sequence[Question],
    shard: tuple[int, int] | None = None,
    *,
    k: int,
    turns: int = 1,
    threads: int = 1,
    device: str = "cpu",
) -> Ranked:
    """Rank all queries against a shard of the references.

    Similarities closer than `ucvgl.retrieval.recall.ROUNDING` are ties.

    Args:
        queries: at their first turn, then all at their second, and so on.
        shard: the first number of the references that are meant, and the one after the last; default: all.
        k: best references that are kept of each query.
        turns: at so many each query is described; a reference is as similar as at the best of them.
        threads: blocks at a time, on a processor.

    Raises:
        ValueError: vectors that are not finite, by their numbers.
    """
    shard, threads = shard or references.span, threads if device == "cpu" else 1
    count = (queries.span[1] - queries.span[0]) // turns
    tiles = [_tile(references, left, min(left + TILE, shard[1]), device) for left in range(*shard, TILE)]
    ahead = [np.zeros(question.true.shape, int) for question in questions]
    best, turn = Best(count, k), np.zeros((count, k), int)
    bars = [_bars(queries, references, question.true, turns) for question in questions]
    left_out = [_once(np.hstack((question.true, question.spared))) for question in questions]
    rooms: SimpleQueue[np.ndarray] = SimpleQueue()
    size = max(1, BLOCK // turns)
    for _ in range(threads):
        rooms.put(queries.room(size))

    def meet(start: int) -> None:
        rows, room = slice(start, min(start + size, count)), rooms.get()
        try:
            vectors = _at_all_turns(queries, rows, room, turns, count)
            block = _Block(vectors, start, k, device)
            for tile in tiles:
                product = block.product(tile)
                similar = product if turns == 1 else product.unflatten(0, (turns, -1)).amax(0)
                for counted, bar, out in zip(ahead, bars, left_out, strict=True):
                    counted[rows] += _not_below(similar[:, : len(tile.vectors)], bar[rows], out[rows] - tile.start)
                block.keep_best(tile, product)
            best.score[rows], best.index[rows], turn[rows] = _best_of_turns(block.best, turns)
        finally:
            rooms.put(room)

    with single_threaded(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(meet, range(0, count, size)))
    return Ranked(ahead, best, turn)


def answers(question: Question, ahead: Int[np.ndarray, "q t"]) -> Int[np.ndarray, "q t"]:
    """The rank of every true reference, 0 for the first, from the counts of all shards; -1 where there is none."""
    return np.where(question.true >= 0, ahead, -1)


def best_rank(ranks: Int[np.ndarray, "q t"]) -> Int[np.ndarray, " q"]:
    """The rank of each query's best true reference; -1 where it has none."""
    last = np.iinfo(ranks.dtype).max
    found = np.where(ranks >= 0, ranks, last).min(axis=1, initial=last)
    return np.where(found < last, found, -1)


@dataclass(frozen=True)
class _Tile:
    vectors: Float32[np.ndarray, "m d"]
    on_device: Tensor
    extent: Extent
    start: int


class _Block:
    """Some queries, and the best references found for them so far."""

    def __init__(self, vectors: Float32[np.ndarray, "n d"], start: int, k: int, device: str) -> None:
        self._vectors, self._own = vectors, as_float32(torch.from_numpy(vectors).to(device))
        self._unit = UNIT if device == "cpu" else DEVICE_UNIT
        refuse(self._own.size, vectors, "queries", start)
        self.best = Best(len(vectors), k)

    def product(self, tile: _Tile) -> Float32[Tensor, "n padded"]:
        """All inner products, widened by -inf to a multiple of `GROUP` columns."""
        own, other = self._own.operand, tile.on_device
        width = -(-len(other) // GROUP) * GROUP
        made = torch.empty if width == len(other) else _infinities
        product = made((len(own), width), device=own.device)
        torch.mm(own, other.T, out=product[:, : len(other)])
        return product

    def keep_best(self, tile: _Tile, product: Float32[Tensor, "n padded"]) -> None:
        error = error_bounds(self._own, tile.extent, unit=self._unit)
        self.best.update(self._vectors, tile.vectors, product, error=error, first_own=0, first_other=tile.start)


def _infinities(shape: tuple[int, int], *, device: torch.device) -> Tensor:
    return torch.full(shape, -torch.inf, device=device)


def _tile(references: Vectors, start: int, stop: int, device: str) -> _Tile:
    vectors = references.read(start, stop, references.room(TILE))
    on_device = torch.from_numpy(vectors).to(device)
    sizes = as_float32(on_device)
    refuse(sizes.size, vectors, "references", start)
    return _Tile(vectors, on_device, extent(sizes), start)


def _at_all_turns(
    queries: Vectors, rows: slice, room: Float32[np.ndarray, "_ d"], turns: int, count: int
) -> Float32[np.ndarray, "n d"]:
    """Some queries at their first turn, then the same at their second, and so on."""
    firsts = [queries.span[0] + turn * count for turn in range(turns)]
    if turns == 1:
        return queries.read(firsts[0] + rows.start, firsts[0] + rows.stop, room)
    return np.concatenate([queries.read(first + rows.start, first + rows.stop, room).copy() for first in firsts])


def _best_of_turns(
    best: Best, turns: int
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    if turns == 1:
        return best.score, best.index, np.zeros(best.index.shape, int)
    return best_of_stacked(best.score, best.index, turns)


def _bars(
    queries: Vectors, references: Vectors, true: Int[np.ndarray, "q t"], turns: int
) -> Float32[np.ndarray, "q t"]:
    """The similarity of each query with its true references, less what float32 cannot tell."""
    each, (first, last) = np.tile(true, (turns, 1)), queries.span
    bars, room = np.empty(each.shape, np.float32), queries.room(BLOCK)
    for start in range(first, last, BLOCK):
        rows = slice(start - first, min(start + BLOCK, last) - first)
        needed, place = np.unique(each[rows], return_inverse=True)
        here = np.where(each[rows] >= 0, place.reshape(each[rows].shape), -1)
        block = queries.read(start, min(start + BLOCK, last), room)
        bars[rows] = true_similarity(block, _rows_of(references, needed), here)
    return bars.reshape(turns, *true.shape).max(0)


def _rows_of(vectors: Vectors, rows: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n d"]:
    """The vectors of some rows, in increasing order; zeros for -1."""
    found = np.zeros((len(rows), vectors.dimension), np.float32)
    for first, piece in vectors.pieces(*vectors.span):
        some = slice(*np.searchsorted(rows, (first, first + len(piece))))
        found[some] = piece[rows[some] - first]
    return found


def _once(rows: Int[np.ndarray, "q e"]) -> Int[np.ndarray, "q e"]:
    """The same rows, none twice."""
    rows = np.sort(rows, axis=1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = -1
    return rows


def _not_below(
    product: Float32[Tensor, "n m"], bars: Float32[np.ndarray, "n t"], left_out: Int[np.ndarray, "n e"]
) -> Int[np.ndarray, "n t"]:
    """How many products, but for those left out, reach each bar of their row."""
    row, column = np.nonzero((left_out >= 0) & (left_out < product.shape[1]))
    where = left_out[row, column]
    if product.device.type == "cpu":
        count = np.zeros(bars.shape, np.int64)
        _count(product.numpy(), bars, count)
        ignored = product.numpy()[row, where]
    else:
        on_device = torch.from_numpy(bars).to(product.device)
        count = torch.stack([(product >= bar[:, None]).sum(1) for bar in on_device.T], 1).cpu().numpy()
        ignored = product[torch.from_numpy(row), torch.from_numpy(where)].cpu().numpy()
    np.subtract.at(count, row, ignored[:, None] >= bars[row])
    return count


@kernel
def _count(product, bars, count):
    for row in range(product.shape[0]):
        values = product[row]
        for column in range(bars.shape[1]):
            bar, reached = bars[row, column], 0
            if bar == -np.inf:  # of nothing true, mostly
                count[row, column] = len(values)
                continue
            for i in range(len(values)):
                reached += values[i] >= bar
            count[row, column] = reached
