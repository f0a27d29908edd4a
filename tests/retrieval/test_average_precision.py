import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucvgl.retrieval.average_precision import average_precision


def by_loop(ranks) -> dict[str, float]:
    """One pass over each ranking, as a list of right and wrong places."""
    scores = {"AP (trapezoid)": [], "AP (plain)": []}
    for row in ranks:
        wrong = sorted(rank for rank in row if rank >= 0)
        if not wrong:
            continue
        places = [rank + number for number, rank in enumerate(wrong)]
        ranking = [place in places for place in range(places[-1] + 1)]
        trapezoid = plain = found = 0.0
        for place, right in enumerate(ranking):
            if right:
                before = found / place if place else 1.0
                found += 1
                trapezoid += (before + found / (place + 1)) / 2 / len(wrong)
                plain += found / (place + 1) / len(wrong)
        scores["AP (trapezoid)"].append(trapezoid)
        scores["AP (plain)"].append(plain)
    return {name: float(np.mean(values)) for name, values in scores.items()}


@pytest.mark.parametrize(
    ("wrong_before", "trapezoid", "plain"),
    [
        ([0], 1.0, 1.0),
        ([1], 0.25, 0.5),  # the bound that printed results exceed: a miss with one true image scores at most 1/4
        ([4], 0.1, 0.2),
        ([0, 0], 1.0, 1.0),
        ([1, 1], (0.25 + (1 / 2 + 2 / 3) / 2) / 2, (1 / 2 + 2 / 3) / 2),
        ([0, 1], (1 + (1 / 2 + 2 / 3) / 2) / 2, (1 + 2 / 3) / 2),
    ],
)
def test_hand_made_rankings_score_what_the_rules_say(wrong_before, trapezoid, plain):
    found = average_precision(np.array([wrong_before]))
    assert found == pytest.approx({"AP (trapezoid)": trapezoid, "AP (plain)": plain})


@settings(max_examples=80)
@given(st.lists(st.lists(st.integers(-1, 9), min_size=4, max_size=4), min_size=1, max_size=6))
def test_average_precision_equals_a_naive_loop(ranks):
    if max(max(row) for row in ranks) < 0:
        assert average_precision(np.array(ranks)) == {}
    else:
        assert average_precision(np.array(ranks)) == pytest.approx(by_loop(ranks))
