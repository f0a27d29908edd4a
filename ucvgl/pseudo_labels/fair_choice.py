"""Pairs that choose each other among all scores, after what is near to everything was set back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ucvgl.pseudo_labels.e_step import Labels

NEIGHBOURS = 10
"""Over whose similarities a score is compared with what is usual for its row and its column (CSLS)."""


def chosen(scores: Float[np.ndarray, "q r"], *, shared: int = 1, neighbours: int = NEIGHBOURS) -> Labels:
    """Pairs that choose each other after hubs are set back (CSLS, Conneau et al. 2018), weighted by rank of margin.

    The weight falls from 1 for the largest of the margins (the smaller of both sides' own) towards 0: of pairs with a
    large margin far more are right, and how large is large differs from network to network.

    Args:
        scores: of every query (a row) and reference.
        shared: a reference chooses so many queries; its margin is over the first that it does not.
        neighbours: over whose scores it is told what is usual for a row or column.
    """
    usual_of_query = np.sort(scores, axis=1)[:, -neighbours:].mean(axis=1)
    usual_of_reference = np.sort(scores, axis=0)[-neighbours:].mean(axis=0)
    fair = 2 * scores - usual_of_query[:, None] - usual_of_reference
    reference = fair.argmax(axis=1)
    last, first_beyond = (max(len(fair) - kept, 0) for kept in (shared, shared + 1))
    ordered = np.partition(fair, (first_beyond, last), axis=0)
    own = fair.max(axis=1)
    query = np.flatnonzero(own >= ordered[last, reference])
    reference, own = reference[query], own[query]
    margin = np.minimum(own - _second(fair[query]), own - ordered[first_beyond, reference])
    place = np.argsort(np.argsort(-margin, kind="stable"), kind="stable")
    return Labels(query, reference, 1 - place / max(len(place), 1))


def _second(scores: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """The second best of every row; of a single column, that."""
    return np.partition(scores, -2, axis=1)[:, -2] if scores.shape[1] > 1 else scores[:, 0]
