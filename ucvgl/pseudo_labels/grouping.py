"""Instances without ids: queries that choose each other are taken for views of one place, and answer together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int
from scipy.sparse import coo_array, diags_array

from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.transport import transported
from ucvgl.retrieval.topk import Searcher, TwoSided, two_sided_topk

STAYING = 0.1
"""Chance that the walk from a query ends at each step. With less it leaves the place: every pair may be a mistake."""
STEPS = 8
PARTNERS = 50
"""References among which a query's mass is shared out: nearly the shares of the whole pool (`transport`)."""


def group_matches(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    best: TwoSided,
    *,
    search: Searcher = two_sided_topk,
    neighbours: int = 4,
    temperature: float = 0.05,
    balance: float = 0.9,
    least: float = 0.5,
) -> Labels:
    """Queries with the references that most of their mass is sent to, after views of one place were brought together.

    Every query is replaced by what a random walk from it along pairs of mutual neighbours meets. So a view that shows
    little of what its tile shows speaks with the voice of those beside it, and through them of those that it does
    not resemble itself: a group has no border and no number. The pairs are told as `Labels.alike`.

    Args:
        search: finds which queries are alike, and what they are near to together.
        neighbours: two queries are of one place when each is among so many most similar queries of the other.
        temperature: as in `transported`, like `balance` and `least`.
    """
    alike = mutual_neighbours(queries, neighbours, search)
    together = walked(queries, alike)
    met = search(together, references, k=PARTNERS)
    labels = transported(together, references, met, temperature=temperature, balance=balance, least=least)
    return replace(labels, alike=alike)


def mutual_neighbours(
    vectors: Float32[np.ndarray, "n d"], count: int, search: Searcher = two_sided_topk
) -> Int[np.ndarray, "m 2"]:
    """Pairs of rows of which each is among the `count` most similar of the other; each once, the lower row first."""
    near = nearest(vectors, count, search)
    one, column = np.nonzero(near >= 0)
    other = near[one, column]
    tied = (one < other) & (near[other] == one[:, None]).any(axis=1)
    return np.stack([one[tied], other[tied]], axis=1)


def nearest(
    vectors: Float32[np.ndarray, "n d"], count: int, search: Searcher = two_sided_topk
) -> Int[np.ndarray, "n k"]:
    """The most similar other rows of each row, best first; -1 where there are fewer."""
    found = search(vectors, vectors, k=count + 1).row_index
    itself = found == np.arange(len(found))[:, None]
    last = np.where(itself.any(axis=1), itself.argmax(axis=1), count)
    kept = np.arange(count + 1) != last[:, None]
    return found[kept].reshape(len(found), count)


def walked(
    vectors: Float32[np.ndarray, "n d"], pairs: Int[np.ndarray, "m 2"], *, staying: float = STAYING, steps: int = STEPS
) -> Float32[np.ndarray, "n d"]:
    """The mean of the vectors at which walks from each row end, of unit length; a row without a pair stays itself.

    A walk ends where it is with the chance `staying`, or goes on to one of the row's partners, for `steps` steps at
    most (personalised PageRank, Page et al. 1999).

    Args:
        pairs: rows that are each other's partners.
        staying: chance that a walk ends at the row where it is.
        steps: longest walk.
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    graph = coo_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(len(vectors), len(vectors))).tocsr()
    partners = np.asarray(graph.sum(axis=1)).ravel()
    alone = (partners == 0).astype(float)
    step = diags_array(1 / np.maximum(partners, 1)) @ graph + diags_array(alone)
    start = vectors.astype(np.float64)
    met = start
    for _ in range(steps):
        met = staying * start + (1 - staying) * (step @ met)
    length = np.linalg.norm(met, axis=1, keepdims=True)
    return (met / np.maximum(length, 1e-12)).astype(np.float32)
