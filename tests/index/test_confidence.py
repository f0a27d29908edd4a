"""A confidence calibrated without labels is right where the truth is known."""

import numpy as np
import pytest

from ucvgl.index.confidence import Calibration, calibrate, margins, reliability


def world(random, *, queries=4000, tiles=60, decoys=60, skill=0.4):
    """Similarities of queries to their own tiles (column 0 is the true one) and to decoys; none is marked as right."""
    wrong = random.normal(0.0, 0.1, (queries, tiles + decoys))
    own, decoy = wrong[:, :tiles], wrong[:, tiles:]
    own[:, 0] += skill * random.uniform(0, 1, queries)
    return own, decoy


def best_two(scores):
    return -np.sort(-scores, axis=1)[:, :2]


@pytest.mark.parametrize("skill", [0.05, 0.3, 0.6, 1.2])
@pytest.mark.parametrize("decoys", [30, 120])
def test_the_stated_confidence_is_the_share_that_is_right(skill, decoys):
    own, decoy = world(np.random.default_rng(1), decoys=decoys, skill=skill)
    fitted = calibrate(best_two(own), best_two(decoy), own_tiles=60, decoys=decoys)
    pool = np.concatenate([own, decoy], axis=1)
    stated = fitted.confidence(margins(best_two(pool)))
    right = pool.argmax(axis=1) == 0
    _, error = reliability(stated, right)
    assert error < 0.065  # a logistic curve is not quite the true one
    assert abs(stated.mean() - right.mean()) < 0.04
    assert (fitted.queries, fitted.pool) == (4000, 60 + decoys)


def test_agreement_with_ones_own_choice_would_not_have_told():
    """The test above can fail: taking every choice of an own tile as right is off by tens of percents."""
    own, decoy = world(np.random.default_rng(1), skill=0.3)
    fitted = calibrate(best_two(own), best_two(decoy), own_tiles=60, decoys=60)
    naive = Calibration(fitted.intercept, fitted.slope, 0.0, fitted.queries, fitted.pool)
    pool = np.concatenate([own, decoy], axis=1)
    _, error = reliability(naive.confidence(margins(best_two(pool))), pool.argmax(axis=1) == 0)
    assert error > 0.15


def test_a_larger_margin_is_never_less_sure():
    own, decoy = world(np.random.default_rng(2), queries=300)
    fitted = calibrate(best_two(own), best_two(decoy), own_tiles=60, decoys=60)
    sure = fitted.confidence(np.linspace(0, 2, 50))
    assert (np.diff(sure) >= 0).all() and 0 <= sure[0] < sure[-1] <= 1


def test_a_model_that_guesses_is_not_sure():
    own, decoy = world(np.random.default_rng(3), skill=0.0)
    fitted = calibrate(best_two(own), best_two(decoy), own_tiles=60, decoys=60)
    assert fitted.confidence(margins(best_two(own))).mean() < 0.06


def test_margins_that_separate_without_exception_still_give_a_finite_curve():
    own = np.tile([[0.9, 0.1]], (60, 1))
    decoy = np.tile([[0.2, 0.1]], (60, 1))
    fitted = calibrate(own, decoy, own_tiles=10, decoys=10)
    assert np.isfinite([fitted.intercept, fitted.slope]).all()
    assert fitted.confidence(np.array([0.7]))[0] > 0.7


def test_a_single_tile_has_no_rival():
    assert margins(np.array([[0.3], [0.2]])).tolist() == [np.inf, np.inf]
    assert CERTAIN.confidence(np.array([np.inf])).tolist() == [1.0]
    assert Calibration(0.0, 0.0, 0.5, 100, 100).confidence(np.array([np.inf])).tolist() == [0.25]  # and no NaN


CERTAIN = Calibration(0.0, 10.0, 1.0, 100, 100)


def test_too_few_queries_are_refused():
    few = np.zeros((49, 2))
    with pytest.raises(ValueError, match="49 queries are too few to calibrate a confidence, it takes 50"):
        calibrate(few, few, own_tiles=5, decoys=5)


def test_reliability_is_counted_by_hand():
    stated = np.array([0.9, 0.1, 0.7, 0.3])
    right = np.array([True, False, False, True])
    rows, error = reliability(stated, right, bins=2)
    assert rows == [(pytest.approx(0.2), 0.5, 2), (pytest.approx(0.8), 0.5, 2)]
    assert error == pytest.approx(0.3)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_calibration_that_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match="a calibration is made of finite numbers"):
        Calibration(0.0, number, 1.0, 10, 20)
