"""Every strategy of the E-step by its name among the settings."""

from __future__ import annotations

from functools import partial

from ucvgl.pseudo_labels.e_step import Strategy
from ucvgl.pseudo_labels.grouping import group_matches
from ucvgl.pseudo_labels.mutual_choice import mutual_matches
from ucvgl.pseudo_labels.mutual_matching import margin_threshold
from ucvgl.pseudo_labels.transport import PARTNERS, transported
from ucvgl.retrieval.topk import Searcher, two_sided_topk
from ucvgl.settings.experiment import Adaptation


def strategy(settings: Adaptation, round_index: int, search: Searcher = two_sided_topk) -> Strategy:
    """The E-step of one round, with its settings bound.

    Args:
        settings: which strategy, and how.
        round_index: from 0.
        search: for strategies that compare more than queries and references as they are.
    """
    least = margin_threshold(
        round_index, settings.rounds, first=settings.first_threshold, final=settings.final_threshold
    )
    match settings.strategy:
        case "mutual":
            how = {"threshold": settings.threshold, "reciprocal": settings.reciprocal}
            return partial(mutual_matches, least=least, **how)
        case "transport":
            return partial(transported, least=least)
        case "groups":
            return partial(group_matches, search=search, least=least, neighbours=settings.neighbours)


def partners_needed(settings: Adaptation) -> int:
    """How many best partners both ways the strategy must be given."""
    return max(PARTNERS if settings.strategy == "transport" else 2, settings.reciprocal + 1)
