from typing import get_args, get_type_hints

import numpy as np
import pytest

from ucvgl.pseudo_labels.strategies import partners_needed, strategy
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.settings.experiment import Adaptation

PLACES, DIMENSION = 40, 16


def corpus(pictures: int = 1):
    """Unit vectors of places with a little noise: so many queries of each, and a reference."""
    draw = np.random.default_rng(0)
    places = draw.standard_normal((PLACES, DIMENSION))
    views = [np.repeat(places, pictures, axis=0), places]
    views = [view + 0.1 * draw.standard_normal(view.shape) for view in views]
    return [(view / np.linalg.norm(view, axis=1, keepdims=True)).astype(np.float32) for view in views]


@pytest.mark.parametrize("name", get_args(get_type_hints(Adaptation)["strategy"]))
def test_every_strategy_finds_the_places_of_an_easy_corpus(name):
    settings = Adaptation(strategy=name, first_threshold=0.01, final_threshold=0.01, neighbours=2)
    queries, references = corpus(3)
    found = strategy(settings, 0)(queries, references, two_sided_topk(queries, references, k=partners_needed(settings)))
    right = found.query // 3 == found.reference
    assert right.mean() > 0.9 and len(found) > 20, (len(found), right.mean())


def test_groups_leave_every_search_to_whom_they_are_given():
    queries, references = corpus(3)
    asked = []

    def search(first, second, *, k):
        asked.append((len(first), len(second), k))
        return two_sided_topk(first, second, k=k)

    settings = Adaptation(strategy="groups", neighbours=2)
    strategy(settings, 0, search)(queries, references, two_sided_topk(queries, references))
    assert asked == [(120, 120, 3), (120, 40, 50)]


def test_the_threshold_falls_from_the_first_round_to_the_last():
    settings = Adaptation(rounds=3, first_threshold=0.6, final_threshold=0.0)
    queries, references = corpus()
    best = two_sided_topk(queries, references, k=2)
    counts = [len(strategy(settings, index)(queries, references, best)) for index in range(3)]
    assert counts[0] < counts[1] < counts[2] == PLACES


def test_a_match_among_several_queries_needs_one_partner_more():
    assert partners_needed(Adaptation()) == 2
    assert partners_needed(Adaptation(reciprocal=9)) == 10
    assert partners_needed(Adaptation(strategy="transport")) == 16
