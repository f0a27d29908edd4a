import numpy as np
import pytest

from ucvgl.pseudo_labels.decoys import estimated_precision, estimated_recall, right_probability

PLACES = 800


def scores(seed: int, strength: float, decoys: int) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of queries to tiles, their own raised by `strength`, and to decoys, which are like foreign tiles."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(PLACES, PLACES))
    own[np.arange(PLACES), np.arange(PLACES)] += strength
    return own, rng.normal(size=(PLACES, decoys))


@pytest.mark.parametrize("strength", [0.0, 2.0, 3.0, 4.0, 6.0])
def test_recall_is_told_without_labels(strength):
    own, decoy = scores(1, strength, 4 * PLACES)
    recall = (own.argmax(1) == np.arange(PLACES)).mean()
    ahead = (decoy > own.max(1, keepdims=True)).sum(1)
    found = estimated_recall(ahead, references=PLACES, decoys=4 * PLACES)
    assert abs(found.value - recall) < 0.05
    assert found.low - 0.01 <= recall <= found.high + 0.01


def test_queries_that_prefer_no_decoy_are_all_right_and_the_interval_says_how_sure_that_is():
    found = estimated_recall(np.zeros(100, int), references=50, decoys=50)
    assert (found.value, found.high) == (1, 1) and 0.85 < found.low < 0.95
    few, many = (estimated_recall(np.zeros(count, int), references=50, decoys=50).low for count in (1, 10_000))
    assert few == 0 and many > 0.998
    assert estimated_recall(np.zeros(0, int), references=50, decoys=50).low == 0


@pytest.mark.parametrize("strength", [0.0, 2.0, 3.0, 4.0, 6.0])
def test_the_precision_of_mutual_labels_is_told_though_true_pairs_occupy_their_tiles(strength):
    own, decoy = scores(1, strength, PLACES)
    both = np.concatenate([own, decoy], 1)
    best = both.argmax(1)
    mutual = both.argmax(0)[best] == np.arange(PLACES)
    labels, on_decoys = mutual & (best < PLACES), int((mutual & (best >= PLACES)).sum())
    precision = (best == np.arange(PLACES))[labels].mean()
    found = estimated_precision(int(labels.sum()), on_decoys, references=PLACES, decoys=PLACES)
    assert abs(found.value - precision) < 0.08
    assert found.low - 0.03 <= precision <= found.high + 0.03


def test_labels_that_take_every_decoy_are_worth_nothing():
    assert estimated_precision(100, 50, references=200, decoys=50).value == 0
    assert estimated_precision(0, 0, references=200, decoys=50).high == 1


@pytest.mark.parametrize("strength", [0.0, 3.0, 4.0])
def test_probabilities_add_up_to_the_choices_that_are_right(strength):
    own, decoy = scores(7, strength, PLACES)
    both = np.concatenate([own, decoy], 1)
    best, top = both.argmax(1), np.sort(both, 1)[:, -2:]
    found = right_probability(top[:, 1] - top[:, 0], best >= PLACES, references=PLACES, decoys=PLACES)
    right = best == np.arange(PLACES)
    assert abs(found[best < PLACES].sum() - right.sum()) < 0.05 * PLACES
    if strength:
        sure = found > np.median(found)
        assert right[sure].mean() > right[~sure].mean()


def test_a_query_with_a_single_candidate_has_a_probability_too():
    found = right_probability(np.array([np.inf, 0.1, 0.2]), np.array([False, True, False]), references=3, decoys=3)
    assert np.isfinite(found).all()


def test_the_interval_of_a_few_labels_says_that_they_may_all_be_wrong():
    """As many fall on decoys as on tiles where no label is right; of 40 and 24 that may still be chance."""
    rng = np.random.default_rng(3)
    wrong = [rng.binomial(64, 0.5) for _ in range(400)]
    found = [estimated_precision(64 - count, count, references=10_000, decoys=10_000) for count in wrong]
    assert np.mean([estimate.low > 0 for estimate in found]) < 0.05
    assert estimated_precision(40, 24, references=10_000, decoys=10_000).low == 0
    assert estimated_precision(400, 240, references=10_000, decoys=10_000).low > 0.2
