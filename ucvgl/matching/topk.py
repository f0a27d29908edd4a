"""The best k partners of every query and of every reference, in one pass over the tiles of Q R^T.

Exact, and the same to the last bit for any tile size, sharding, number of threads and order of arrival: see
`ucvgl.matching.best` for why. Ties go to the lowest index. Partial results merge associatively: any worker
may do any tile, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from ucvgl.matching.best import Best, error_bounds, float32_product

LONGEST = 2.0**62
"""No vector may be as long as this: products could overflow float32."""


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


def two_sided_topk(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    *,
    k: int = 2,
    tile: int = 2048,
    query_start: int = 0,
    reference_start: int = 0,
) -> TwoSided:
    """Best k references of every query and best k queries of every reference, by inner product.

    Args:
        tile: rows and columns multiplied at a time; bounds the memory.
        query_start: number of the first query, where these are a shard of a larger set.
        reference_start: likewise.

    Raises:
        ValueError: vectors that are not finite, by their numbers.
    """
    if torch.get_float32_matmul_precision() != "highest":
        raise ValueError("exact matching needs torch.set_float32_matmul_precision('highest'), the default")
    query_norm = _norms(queries, "queries", query_start)
    reference_norm = _norms(references, "references", reference_start)
    query_error = error_bounds(query_norm, reference_norm, queries.shape[1])
    reference_error = error_bounds(reference_norm, query_norm, queries.shape[1])
    rows, columns = Best(len(queries), k), Best(len(references), k)
    for top in range(0, len(queries), tile):
        across = slice(top, top + tile)
        own = np.require(queries[across], requirements=("C", "W"))
        for left in range(0, len(references), tile):
            down = slice(left, left + tile)
            other = np.require(references[down], requirements=("C", "W"))
            product = float32_product(own, other)
            rows.update(
                own,
                other,
                product[: len(own)],
                error=query_error[across],
                first_own=top,
                first_other=reference_start + left,
            )
            columns.update(
                other,
                own,
                product[:, : len(other)].T,
                error=reference_error[down],
                first_own=left,
                first_other=query_start + top,
            )
    return TwoSided(query_start, reference_start, rows.score, rows.index, columns.score, columns.index)


def _norms(vectors: np.ndarray, side: str, start: int) -> np.ndarray:
    norm = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    bad = np.flatnonzero(~(norm < LONGEST))
    if len(bad):
        raise ValueError(
            f"{side} {(bad[:5] + start).tolist()} ({len(bad)} in all) are not finite, or too long to "
            "multiply; look at the images they come from, and at the loss of the model"
        )
    return norm


def merge(parts: Iterable[TwoSided]) -> TwoSided:
    """Combine partial results over any tiles of the grid, in any order and grouping."""
    parts = list(parts)
    query_start, rows = _side([(part.query_start, part.row_score, part.row_index) for part in parts])
    reference_start, columns = _side(
        [(part.reference_start, part.column_score, part.column_index) for part in parts]
    )
    return TwoSided(query_start, reference_start, rows.score, rows.index, columns.score, columns.index)


def _side(parts: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> tuple[int, Best]:
    first = min(start for start, _, _ in parts)
    k = parts[0][1].shape[1]
    best = Best(max(start + len(score) for start, score, _ in parts) - first, k)
    best.insert(
        np.concatenate([np.repeat(np.arange(len(score)) + (start - first), k) for start, score, _ in parts]),
        np.concatenate([score.ravel() for _, score, _ in parts]),
        np.concatenate([index.ravel() for _, _, index in parts]),
    )
    return first, best
