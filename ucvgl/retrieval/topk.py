"""The best k partners of every query and of every reference, in one pass over the tiles of Q R^T.

Exact, and the same to the last bit for any tile size, sharding, number of threads, kind of fast product and order of
arrival: see `ucvgl.retrieval.best` for why. Ties go to the lowest index. Partial results merge associatively: any
worker may do any part, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from ucvgl.retrieval.best import Best
from ucvgl.retrieval.search import Search, present
from ucvgl.retrieval.vectors import InMemory


@dataclass(frozen=True)
class TwoSided:
    """Best k partners both ways, for the queries and references numbered from the two starts.

    Absent partners (fewer than k on the other side) have score -inf and index -1.
    """

    query_start: int
    reference_start: int
    row_score: Float[np.ndarray, "q k"]
    row_index: Int[np.ndarray, "q k"]
    column_score: Float[np.ndarray, "r k"]
    column_index: Int[np.ndarray, "r k"]


@runtime_checkable
class Searcher(Protocol):
    """The k best partners both ways by inner product, of vectors in memory: `two_sided_topk`, or all workers."""

    def __call__(
        self, queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], /, *, k: int
    ) -> TwoSided: ...


def two_sided_topk(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    *,
    k: int = 2,
    block: int | None = None,
    tile: int | None = None,
    threads: int = 1,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    query_start: int = 0,
    reference_start: int = 0,
) -> TwoSided:
    """Best k references of every query and best k queries of every reference, by inner product.

    Args:
        block: queries multiplied at a time; with `tile` and `threads` it bounds the memory.
        tile: references multiplied at a time.
        dtype: of the fast product, bfloat16 or float32; changes the speed only. Default: what suits the device.
        device: `cpu`, or a graphics card as PyTorch names it.
        query_start: number of the first query, where these are a shard of a larger set.
        reference_start: likewise.

    Raises:
        ValueError: vectors that are not finite, by their numbers.
    """
    sides = InMemory(queries, query_start), InMemory(references, reference_start)
    search = Search(*sides, k=k, block=block, tile=tile, threads=threads, dtype=dtype, device=device)
    search.meet(*sides[0].span)
    found = search.found()
    rows = Best(len(queries), k)
    rows.insert(found.query - query_start, found.score, found.reference)
    columns = found.columns
    return TwoSided(query_start, reference_start, rows.score, rows.index, columns.score, columns.index)


def merge(parts: Iterable[TwoSided]) -> TwoSided:
    """Combine partial results over any tiles of the grid, in any order and grouping."""
    parts = list(parts)
    query_start, rows = _merge_side([(part.query_start, part.row_score, part.row_index) for part in parts])
    reference_start, columns = _merge_side(
        [(part.reference_start, part.column_score, part.column_index) for part in parts]
    )
    return TwoSided(query_start, reference_start, rows.score, rows.index, columns.score, columns.index)


def _merge_side(parts: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> tuple[int, Best]:
    first = min(start for start, _, _ in parts)
    best = Best(max(start + len(score) for start, score, _ in parts) - first, parts[0][1].shape[1])
    for start, score, index in parts:
        row, scores, partners = present(score, index)
        best.insert(row + (start - first), scores, partners)
    return first, best
