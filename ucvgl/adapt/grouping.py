"""Instances without ids: queries that are near each other both ways are taken for one place, and vote as one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int
from scipy.cluster.hierarchy import DisjointSet

from ucvgl.adapt.labels import Labels, plain
from ucvgl.adapt.neighbourhood import nearest
from ucvgl.matching.mutual import Scale, matches, scaled
from ucvgl.matching.topk import TwoSided, two_sided_topk


def group_matches(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    best: TwoSided,
    *,
    neighbours: int = 5,
    largest: int = 64,
    shared: float = 0.6,
    reciprocal: int = 1,
    least: float = 0.0,
    scale: Scale = "cosine",
) -> Labels:
    """Every query with the reference that its group chooses, where that reference chooses the group, too.

    A group is matched as one query is, by the direction in which its members lie together: a reference's similarity
    to that is the mean of its similarities to all members, up to a factor.

    Args:
        neighbours: two queries may be of one group when each is among so many most similar queries of the other.
        largest: most members of a group.
        shared: least share of their neighbours, counted with themselves, that two queries of a group have in common.
            Without it, chains of look-alikes join places.
        reciprocal: among how many best groups of a reference a match counts as mutual; more than 1 where the views
            of one place fall into several groups.
        least: smallest margin of a group over its second-best reference.
        scale: unit of `least`, see `ucvgl.matching.mutual.scaled`.
    """
    group = groups(queries, neighbours=neighbours, largest=largest, shared=shared)
    total = np.zeros((group.max(initial=-1) + 1, queries.shape[1]))
    np.add.at(total, group, queries)
    together = (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    found = matches(two_sided_topk(together, references, k=max(2, reciprocal + 1)), reciprocal=reciprocal)
    eligible = (found.reference >= 0) & found.mutual
    kept = (eligible & (scaled(found.margin, eligible, scale) >= least))[group]
    return plain(np.flatnonzero(kept), found.reference[group][kept])


def groups(
    vectors: Float32[np.ndarray, "n d"], *, neighbours: int, largest: int, shared: float = 0.0
) -> Int[np.ndarray, " n"]:
    """The group of each row, numbered by first member: components of the mutual-neighbour graph, of bounded size.

    Ties are made in order of similarity; one that would make too large a group is left out.
    """
    near = np.concatenate([np.arange(len(vectors))[:, None], nearest(vectors, neighbours)], axis=1)
    one, column = np.nonzero(near >= 0)
    other = near[one, column]
    tied = (one < other) & (near[other] == one[:, None]).any(axis=1)
    one, other = one[tied], other[tied]
    common = np.zeros(len(one))
    for column in near.T:
        common += ((near[other] == column[one][:, None]) & (near[other] >= 0)).any(axis=1)
    one, other = (side[common >= shared * near.shape[1]] for side in (one, other))
    similarity = np.einsum("nd,nd->n", vectors[one].astype(np.float64), vectors[other].astype(np.float64))
    order = np.lexsort((other, one, -similarity))
    return _joined(one[order], other[order], len(vectors), largest)


def _joined(
    one: Int[np.ndarray, " e"], other: Int[np.ndarray, " e"], count: int, largest: int
) -> Int[np.ndarray, " n"]:
    """Components when edges are added one by one, but for those that would join more than `largest` rows."""
    parts = DisjointSet(range(count))
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        if parts[a] != parts[b] and parts.subset_size(a) + parts.subset_size(b) <= largest:
            parts.merge(a, b)
    roots = np.array([parts[row] for row in range(count)], int)
    _, first, group = np.unique(roots, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]
