"""Every strategy of the E-step by its name among the settings."""

from __future__ import annotations

from functools import partial

from ucvgl.adapt.labels import Strategy
from ucvgl.adapt.mutual import mutual_matches
from ucvgl.config import Adaptation
from ucvgl.matching.mutual import margin_threshold


def strategy(settings: Adaptation, round_index: int) -> Strategy:
    """The E-step of one round, with its settings bound."""
    least = margin_threshold(
        round_index, settings.rounds, first=settings.first_threshold, final=settings.final_threshold
    )
    return partial(
        mutual_matches,
        threshold=settings.threshold,
        least=least,
        scale=settings.threshold_scale,
        reciprocal=settings.reciprocal,
        mutual=settings.mutual,
    )


def partners_needed(settings: Adaptation) -> int:
    """How many best partners both ways the strategy must be given."""
    return max(settings.partners, settings.reciprocal + 1)
