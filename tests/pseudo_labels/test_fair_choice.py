import numpy as np
import pytest

from ucvgl.pseudo_labels.fair_choice import chosen


def test_pairs_choose_each_other_and_a_hub_is_set_back():
    """Reference 0 is similar to everybody; without its lead every query has a reference of its own."""
    scores = 0.1 * np.eye(4) + np.array([0.12, 0, 0, 0])
    labels = chosen(scores, neighbours=4)
    assert sorted(zip(labels.query.tolist(), labels.reference.tolist(), strict=True)) == [(k, k) for k in range(4)]


def test_the_largest_margin_weighs_most_and_none_weighs_nothing():
    scores = np.diag([3.0, 1.0, 2.0])
    labels = chosen(scores, neighbours=3)
    assert labels.weight.tolist() == pytest.approx([1, 1 / 3, 2 / 3])


def test_a_reference_chooses_as_many_queries_as_may_share_it_with_a_margin_over_the_next():
    scores = np.array([[5.0, 0], [3, 0], [2, 0], [1.5, 0], [0, 1]])
    one, two = (chosen(scores, shared=shared, neighbours=5) for shared in (1, 2))
    assert (one.query.tolist(), one.reference.tolist()) == ([0, 4], [0, 1])
    assert (two.query.tolist(), two.reference.tolist()) == ([0, 1, 4], [0, 0, 1])
    assert two.weight.tolist() == pytest.approx([1, 1 / 3, 2 / 3])
    assert len(chosen(scores, shared=9, neighbours=5)) == 5, "all, where there are fewer than may share"
