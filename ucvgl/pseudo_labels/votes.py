"""Labels that vote: look-alikes of a labelled query belong to look-alikes of its reference. An EM in closed form.

A label (k, l) says that what looks like query k shows what looks like reference l. All labels together are a matrix

    C = sum_kl w_kl x_k y_l' / sum_kl w_kl         x' C y = mean over labels of  w (x.x_k) (y_l.y)

and each view is moved by it: x + s/2 x C, y + s/2 C y. With true pairs this is what a linear adapter can learn from so
few images without overfitting; every view has a map of its own, as one for both would have to be symmetric.

Labels are found by the same votes, but none votes for itself: its own part is taken out of the score that decides
whether it stays (a jackknife). With it, labels are the same for ever after the first round: each confirms itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from ucvgl.pseudo_labels.e_step import Labels

ROUNDS = 9
TRUST = 6.0
"""Of the votes, for each part that they seem to be worth beside the similarity: labels were chosen by that, so it seems
to tell right from wrong better than it does, while no label votes for itself."""
NEIGHBOURS = 10
"""Over whose similarities a score is compared with what is usual for its row and its column (CSLS)."""


def voted_labels(
    queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], *, rounds: int = ROUNDS
) -> tuple[Labels, float]:
    """Pairs that choose each other by similarity and the votes of all other pairs, and how much votes count against it.

    Args:
        queries: unit norm, whitened: between vectors of which all have much in common every vote counts alike. All
            similarities are in memory.
    """
    alike_queries, alike_references = queries @ queries.T, references @ references.T
    similarity = queries @ references.T
    labels, strength = chosen(similarity), 0.0
    for _ in range(rounds - 1):
        votes = votes_of_others(alike_queries, alike_references, labels)
        strength = TRUST * max(telling(votes, labels), 0.0) / max(telling(similarity, labels), 1e-12)
        labels = chosen(similarity + strength * votes)
    return labels, strength


def telling(scores: Float[np.ndarray, "q r"], labels: Labels) -> float:
    """By how much labels stand out among all pairs, over the variance of these (Fisher's discriminant)."""
    labelled = np.average(scores[labels.query, labels.reference], weights=labels.weight)
    return float((labelled - scores.mean()) / max(scores.var(), 1e-12))


def votes_of_others(
    alike_queries: Float32[np.ndarray, "q q"], alike_references: Float32[np.ndarray, "r r"], labels: Labels
) -> Float32[np.ndarray, "q r"]:
    """What the labels say of every pair, without those that share its query or its reference.

    Vectors have unit norm, and no query or reference is in two labels.
    """
    weight = (labels.weight / labels.weight.sum()).astype(np.float32)
    from_queries, from_references = alike_queries[:, labels.query] * weight, alike_references[labels.reference]
    votes = from_queries @ from_references
    votes[labels.query] -= weight[:, None] * from_references
    votes[:, labels.reference] -= from_queries
    votes[labels.query, labels.reference] += weight
    return votes


def chosen(scores: Float[np.ndarray, "q r"], *, neighbours: int = NEIGHBOURS) -> Labels:
    """Pairs that choose each other after hubs are set back (CSLS, Conneau et al. 2018), weighted by rank of margin.

    The weight falls from 1 for the largest of the margins (the smaller of both sides' own) towards 0: of pairs with a
    large margin far more are right, and how large is large differs from network to network.
    """
    usual_of_query = np.sort(scores, axis=1)[:, -neighbours:].mean(axis=1)
    usual_of_reference = np.sort(scores, axis=0)[-neighbours:].mean(axis=0)
    fair = 2 * scores - usual_of_query[:, None] - usual_of_reference
    reference = fair.argmax(axis=1)
    query = np.flatnonzero(fair.argmax(axis=0)[reference] == np.arange(len(fair)))
    reference = reference[query]
    margin = np.minimum(_margins(fair)[query], _margins(fair.T)[reference])
    place = np.argsort(np.argsort(-margin, kind="stable"), kind="stable")
    return Labels(query, reference, 1 - place / max(len(place), 1))


def vote_map(
    queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], labels: Labels
) -> Float32[np.ndarray, "d d"]:
    """The matrix C of the labels."""
    weight = (labels.weight / labels.weight.sum()).astype(np.float32)
    return queries[labels.query].T @ (weight[:, None] * references[labels.reference])


def _margins(scores: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """Best minus second best of every row."""
    if scores.shape[1] < 2:
        return np.zeros(len(scores))
    two = np.partition(scores, -2, axis=1)
    return two[:, -1] - two[:, -2]
