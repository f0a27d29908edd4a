"""The stated probability that a place is in the index is the share of photos whose place is, where both are known."""

import numpy as np
import pytest

from ucvgl.index.confidence import reliability
from ucvgl.index.presence import RIVALS, Presence, calibrate_presence, leads


def world(random, *, queries=4000, tiles=60, skill=0.4):
    """Similarities to tiles with the place among them, and to as many without."""
    own, elsewhere = random.normal(0.0, 0.1, (2, queries, tiles))
    own[:, 0] += skill * random.uniform(0, 1, queries)
    return best(own), best(elsewhere)


def best(scores):
    return -np.sort(-scores, axis=1)[:, : RIVALS + 1]


@pytest.mark.parametrize("skill", [0.05, 0.4, 1.2])
def test_of_photos_that_are_said_to_be_here_with_some_probability_so_many_are(skill):
    fitted = calibrate_presence(*world(np.random.default_rng(0), skill=skill), pool=60)
    here, elsewhere = world(np.random.default_rng(1), skill=skill)
    order = np.random.default_rng(2).permutation(8000)  # many may be equally sure
    stated = fitted.here(leads(np.concatenate((here, elsewhere))))
    _, error = reliability(stated[order], order < 4000)
    assert error < 0.05
    assert (stated[:4000].mean() > stated[4000:].mean() + 0.05) == (skill > 0.1)


def test_a_lead_is_over_the_mean_of_those_that_follow_as_far_as_there_are_any():
    scores = np.array([[0.9, 0.5, 0.3, -np.inf], [0.7, -np.inf, -np.inf, -np.inf]])
    np.testing.assert_allclose(leads(scores), [0.5, 0.0])
    np.testing.assert_allclose(leads(scores[:, :1]), [0.0, 0.0])
    many = np.linspace(1, 0, 50)[None]
    np.testing.assert_allclose(leads(many), 1 - many[0, 1 : RIVALS + 1].mean())


def test_a_longer_lead_is_never_less_sure_and_too_few_queries_are_refused():
    fitted = calibrate_presence(*world(np.random.default_rng(2), queries=300), pool=60)
    sure = fitted.here(np.linspace(-1, 2, 50))
    assert (np.diff(sure) >= 0).all() and 0 < sure[0] < 0.5 < sure[-1] <= 1
    with pytest.raises(ValueError, match="49 queries are too few to tell who is elsewhere, it takes 50"):
        calibrate_presence(*world(np.random.default_rng(2), queries=49), pool=60)
    with pytest.raises(ValueError, match="finite"):
        Presence(np.nan, 1.0, 50, 60)
