"""Labels that vote: look-alikes of a labelled query belong to look-alikes of its reference. An EM in closed form.

A label (k, l) says that what looks like query k shows what looks like reference l. All labels together are a matrix

    C = sum_kl w_kl x_k y_l' / sum_kl w_kl         x' C y = mean over labels of  w (x.x_k) (y_l.y)

and each view is moved by it: x + s/2 x C, y + s/2 C y. With true pairs this is what a linear adapter can learn from so
few images without overfitting; every view has a map of its own, as one for both would have to be symmetric.

Labels are found by the same votes, but none votes for itself: whatever is labelled with the same reference is left out
of the score that decides whether a label stays (a jackknife). With it, labels are the same for ever after the first
round: each confirms itself.

Where several queries show one place (the pictures of a flight), those that seem to are brought together before they
choose and vote (`grouping.walked`), now and then anew, as the votes move them; the map is that of the single queries.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.fair_choice import chosen
from ucvgl.pseudo_labels.grouping import mutual_neighbours, walked
from ucvgl.retrieval.topk import Searcher, two_sided_topk

ROUNDS, REGROUPED = 9, 3
"""How often labels are chosen, and after how many of these it is asked anew which queries are alike: what takes time
where there are many."""
TRUST = 6.0
"""Of the votes, for each part that they seem to be worth beside the similarity: labels were chosen by that, so it seems
to tell right from wrong better than it does, while no label votes for itself."""
MOVED = 1 / 3
"""How far votes move both views together, for each part that they counted while labels were found: a move by labels of
which some are wrong moves what was right as well."""


def voted_labels(
    queries: Float32[np.ndarray, "q d"],
    references: Float32[np.ndarray, "r d"],
    *,
    shared: int = 1,
    neighbours: int = 0,
    search: Searcher = two_sided_topk,
    rounds: int = ROUNDS,
) -> tuple[Labels, float]:
    """Pairs that choose each other by similarity and the votes of all other pairs, and how much votes count against it.

    Args:
        queries: unit norm, whitened: between vectors of which all have much in common every vote counts alike. All
            similarities of queries and references are in memory.
        shared: queries of one place, which may share a reference.
        neighbours: two queries are taken for views of one place when each is among so many most similar queries of the
            other; 0: every query speaks for itself.
        search: finds which queries are alike.
        rounds: how often labels are chosen.
    """
    similarity = queries @ references.T
    seen, strength = _together(queries, neighbours, search), 0.0
    labels = chosen(seen @ references.T, shared=shared)
    for number in range(1, rounds):
        votes = votes_of_others(queries, references, labels)
        strength = TRUST * max(telling(votes, labels), 0.0) / max(telling(similarity, labels), 1e-12)
        if neighbours:
            if number % REGROUPED == 0:
                named, heard = heard_of(queries, labels)
                moved = queries + MOVED * strength / 2 * heard @ references[named]
                seen = _together(queries, neighbours, search, by=moved)
            votes = votes_of_others(seen, references, labels)
        labels = chosen(seen @ references.T + strength * votes, shared=shared)
    return labels, strength


def _together(
    queries: Float32[np.ndarray, "q d"],
    neighbours: int,
    search: Searcher,
    *,
    by: Float32[np.ndarray, "q d"] | None = None,
) -> Float32[np.ndarray, "q d"]:
    """What walks from each query along pairs of queries that are alike meet; alike by other vectors, if any are given.
    """
    if not neighbours:
        return queries
    found = queries if by is None else by / np.maximum(np.linalg.norm(by, axis=1, keepdims=True), 1e-12)
    return walked(queries, mutual_neighbours(found, neighbours, search))


def telling(scores: Float[np.ndarray, "q r"], labels: Labels) -> float:
    """By how much labels stand out among all pairs, over the variance of these (Fisher's discriminant)."""
    labelled = np.average(scores[labels.query, labels.reference], weights=labels.weight)
    return float((labelled - scores.mean()) / max(scores.var(), 1e-12))


def votes_of_others(
    queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], labels: Labels
) -> Float32[np.ndarray, "q r"]:
    """What the labels say of every pair, but those that name its reference, or the one that its query is labelled with.

    Vectors have unit norm, and no query is in two labels.
    """
    named, heard = heard_of(queries, labels)
    heard[labels.query, np.searchsorted(named, labels.reference)] = 0
    votes = heard @ (references[named] @ references.T)
    votes[:, named] -= heard
    return votes


def heard_of(
    queries: Float32[np.ndarray, "q d"], labels: Labels
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, "q n"]]:
    """The references that labels name, and how much each query is like those that are labelled with them."""
    named, place = np.unique(labels.reference, return_inverse=True)
    weight = (labels.weight / labels.weight.sum()).astype(np.float32)
    shown = np.zeros((len(named), queries.shape[1]), np.float32)
    np.add.at(shown, place, weight[:, None] * queries[labels.query])
    return named, queries @ shown.T


def vote_map(
    queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], labels: Labels
) -> Float32[np.ndarray, "d d"]:
    """The matrix C of the labels."""
    weight = (labels.weight / labels.weight.sum()).astype(np.float32)
    return queries[labels.query].T @ (weight[:, None] * references[labels.reference])
