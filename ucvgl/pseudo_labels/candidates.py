"""The pairs that an E-step weighs against each other: everybody's best partners."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ucvgl.retrieval.topk import TwoSided


class Candidates(NamedTuple):
    """Pairs of a query and a reference with their similarity, each pair once, sorted by query and reference."""

    query: Int[np.ndarray, " n"]
    reference: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]


def candidates(best: TwoSided) -> Candidates:
    """Every pair in which one is among the other's best partners; rows count from 0."""
    (row, from_row), (column, from_column) = np.nonzero(best.row_index >= 0), np.nonzero(best.column_index >= 0)
    query = np.concatenate([row, best.column_index[column, from_column] - best.query_start])
    reference = np.concatenate([best.row_index[row, from_row] - best.reference_start, column])
    score = np.concatenate([best.row_score[row, from_row], best.column_score[column, from_column]])
    _, once = np.unique(query * len(best.column_index) + reference, return_index=True)
    return Candidates(query[once], reference[once], score[once])
