"""Labels that the neighbours confirm: images that are near each other show things that are near each other."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from ucvgl.pseudo_labels.e_step import Labels, plain
from ucvgl.pseudo_labels.mutual_matching import matches
from ucvgl.retrieval.topk import TwoSided, two_sided_topk


def confirmed_matches(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    best: TwoSided,
    *,
    neighbours: int = 8,
    least: float = 0.25,
    reciprocal: int = 1,
    mutual: bool = True,
) -> Labels:
    """Every query with its best reference, where enough of the query's neighbours choose a neighbour of that reference.

    Args:
        neighbours: how many of either view are asked; a reference is its own first neighbour.
        least: smallest share of the query's neighbours whose best reference is near its own.
        reciprocal: as in `mutual_matches`, like `mutual`.
    """
    found = matches(best, reciprocal=reciprocal)
    share = support(found.reference, nearest(queries, neighbours), nearest(references, neighbours))
    kept = (found.reference >= 0) & (found.mutual if mutual else True) & (share >= least)
    return plain(found.query[kept], found.reference[kept])


def support(
    reference_of_query: Int[np.ndarray, " q"],
    near_queries: Int[np.ndarray, "q k"],
    near_references: Int[np.ndarray, "r m"],
) -> Float[np.ndarray, " q"]:
    """Share of each query's neighbours that are matched to its own reference or to a neighbour of that.

    -1 stands for no reference or no neighbour; a query without neighbours has no support.
    """
    chosen = np.where(near_queries >= 0, reference_of_query[near_queries], -1)
    itself = np.arange(len(near_references))[:, None]
    none = np.full((1, near_references.shape[1] + 1), -1)
    own = np.concatenate([itself, near_references], axis=1)
    own = np.concatenate([own, none])[reference_of_query]
    agrees = np.zeros(near_queries.shape, bool)
    for column in range(own.shape[1]):
        agrees |= chosen == own[:, column : column + 1]
    asked = near_queries >= 0
    agrees &= chosen >= 0
    return agrees.sum(axis=1) / np.maximum(asked.sum(axis=1), 1)


def nearest(vectors: Float32[np.ndarray, "n d"], count: int) -> Int[np.ndarray, "n k"]:
    """The most similar other rows of each row, best first; -1 where there are fewer."""
    found = two_sided_topk(vectors, vectors, k=count + 1).row_index
    itself = found == np.arange(len(found))[:, None]
    last = np.where(itself.any(axis=1), itself.argmax(axis=1), count)
    kept = np.arange(count + 1) != last[:, None]
    return found[kept].reshape(len(found), count)
