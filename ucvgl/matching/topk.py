"""The best k partners of every query and of every reference, in one pass over the tiles of Q R^T.

Each tile is multiplied in float32; the few best candidates of every row and column are then rescored pair by pair in
float64, whose result depends on the two vectors alone. So neither the tile size nor the sharding changes an answer, and
ties go to the lowest index. Partial results merge associatively: any worker may do any tile, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

SPARE = 4
"""Candidates kept beyond k before rescoring: float32 may misplace near ties by a rank or two."""


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
    queries: Float[np.ndarray, "q d"],
    references: Float[np.ndarray, "r d"],
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
    """
    parts = []
    for top in range(0, max(len(queries), 1), tile):
        for left in range(0, max(len(references), 1), tile):
            rows, columns = queries[top : top + tile], references[left : left + tile]
            parts.append(_tile(rows, columns, k, query_start + top, reference_start + left))
    return merge(parts)


def _tile(rows: np.ndarray, columns: np.ndarray, k: int, query_start: int, reference_start: int) -> TwoSided:
    similarity = torch.mm(torch.from_numpy(rows), torch.from_numpy(columns).T)
    row_score, row_index = _rescored(rows, columns, similarity, k, reference_start)
    column_score, column_index = _rescored(columns, rows, similarity.T, k, query_start)
    return TwoSided(query_start, reference_start, row_score, row_index, column_score, column_index)


def _rescored(
    own: np.ndarray, other: np.ndarray, similarity: torch.Tensor, k: int, start: int
) -> tuple[np.ndarray, np.ndarray]:
    candidates = similarity.topk(min(k + SPARE, len(other)), dim=1).indices.numpy()
    score = np.empty(candidates.shape)
    for place in range(candidates.shape[1]):
        score[:, place] = np.einsum("nd,nd->n", own, other[candidates[:, place]], dtype=np.float64)
    return _best(score, candidates + start, k)


def _best(score: np.ndarray, index: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k of each row, highest score first, lowest index first among equals; padded to k."""
    lack = max(0, k - score.shape[1])
    score = np.pad(score, ((0, 0), (0, lack)), constant_values=-np.inf)
    index = np.pad(index, ((0, 0), (0, lack)), constant_values=-1)
    order = np.lexsort((index, -score), axis=1)[:, :k]
    return np.take_along_axis(score, order, 1), np.take_along_axis(index, order, 1)


def merge(parts: Iterable[TwoSided]) -> TwoSided:
    """Combine partial results over any tiles of the grid, in any order and grouping."""
    parts = list(parts)
    queries = _side([(part.query_start, part.row_score, part.row_index) for part in parts])
    references = _side([(part.reference_start, part.column_score, part.column_index) for part in parts])
    return TwoSided(queries[0], references[0], *queries[1:], *references[1:])


def _side(parts: list[tuple[int, np.ndarray, np.ndarray]]) -> tuple[int, np.ndarray, np.ndarray]:
    first = min(start for start, _, _ in parts)
    end = max(start + len(score) for start, score, _ in parts)
    k = parts[0][1].shape[1]
    score = np.full((end - first, k), -np.inf)
    index = np.full((end - first, k), -1, np.int64)
    for start, part_score, part_index in parts:
        where = slice(start - first, start - first + len(part_score))
        score[where], index[where] = _best(
            np.concatenate((score[where], part_score), 1), np.concatenate((index[where], part_index), 1), k
        )
    return first, score, index
