"""The judge of adapters against the truth that it does not see."""

import numpy as np
import pytest

from tests.training.test_closed_form import recall, unit, write
from ucvgl.networks.adapter import Adapter
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.stages.judge_rows import rest, without
from ucvgl.training.closed_form import closed_form
from ucvgl.training.judged_rows import FOLDS, best, judge

NUMBERS = 16


@pytest.fixture
def pools(tmp_path):
    """Places seen by both views, one of which shifts and scales what it sees; rows of the views in different orders."""
    draw = np.random.default_rng(0)

    def pair(name, count):
        place = draw.standard_normal((count, NUMBERS))
        query, reference = (place + 0.7 * draw.standard_normal(place.shape) for _ in range(2))
        sides = {"query": unit(query), "reference": unit(reference * np.linspace(0.3, 3, NUMBERS) + 3)}
        return {view: write(tmp_path, f"{name}-{view}", side) for view, side in sides.items()}

    return pair("train", 1000), pair("held_out", 400)


def test_the_judge_tells_what_centring_and_whitening_find_and_what_nothing_does(pools):
    train, held_out = pools
    calls = []

    def make(left_out, fold):
        calls.append(left_out)
        rows = closed_form(rest(train, left_out))
        return {name: rows[name] for name in ("frozen", "centred", "whitened")}

    judged = judge(train, (held_out, held_out), make)
    assert len(calls) == 2, "two quarters of a thousand are enough strangers"
    assert all(len(left_out[view]) == 1000 // FOLDS for left_out in calls for view in left_out)
    for name, row in make(calls[0], 0).items():
        assert abs(judged[name][0].value - recall(row, held_out)) < 0.1, name
    assert best(judged, "frozen") == "whitened"


def test_habit_is_kept_unless_another_is_surely_better():
    def both(low, value, high):
        return (Estimate(value, low, high),) * 2

    judged = {"habit": both(0.1, 0.2, 0.3), "perhaps": both(0.25, 0.35, 0.45), "sure": both(0.31, 0.33, 0.4)}
    assert best(judged, "habit") == "sure"
    assert best({name: judged[name] for name in ("habit", "perhaps")}, "habit") == "habit"
    assert best({name: judged[name] for name in ("habit", "perhaps")}, "absent") == "perhaps"


def test_labels_that_name_what_was_left_out_are_not_trained_on():
    labels = Labels(np.array([0, 1, 2]), np.array([5, 6, 7]), np.array([1.0, 0.5, 0.2]), np.array([[0, 1], [0, 2]]))
    others = without(labels, {"query": np.array([1]), "reference": np.array([7])})
    assert (others.query.tolist(), others.reference.tolist(), others.weight.tolist()) == ([0], [5], [1.0])
    assert others.alike.tolist() == [[0, 2]]


def test_what_is_left_is_read_as_if_there_was_no_more(pools):
    left = rest(pools[1], {"query": np.arange(400), "reference": np.array([0, 399])})
    assert (len(left["query"]), len(left["reference"])) == (0, 398)
    assert isinstance(closed_form(left | {"query": left["reference"]})["voted"], Adapter)
