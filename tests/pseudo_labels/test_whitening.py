import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.whitening import whitening


def view(seed: int, count: int = 400, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0] * rng.uniform(0.2, 5, d)[:, None]
    return (rng.normal(size=(count, d)) @ axes + rng.normal(size=d)).astype(np.float32)


@given(st.integers(0, 1000))
def test_the_spread_is_the_same_along_all_directions(seed):
    """Before they are brought to unit norm: the covariance is a multiple of the identity, up to the shrinkage."""
    vectors = view(seed)
    white = whitening(vectors, shrinkage=1e-9)
    covariance = np.cov(((vectors - white.mean) @ white.matrix).T)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(6), atol=0.02)


@given(st.integers(0, 1000))
def test_much_shrinkage_is_centring(seed):
    vectors = view(seed)
    centred = vectors - vectors.mean(0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(whitening(vectors, shrinkage=1e6)(vectors), expected, atol=1e-4)


def test_a_place_is_found_under_the_looks_of_another_view():
    """Descriptors of places, with a nuisance that is far larger and follows each view, not the place."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(300, 8)).astype(np.float32)
    views = []
    for offset in (3.0, -3.0):
        nuisance = np.zeros((300, 8), np.float32)
        nuisance[:, 0] = offset + 4 * rng.normal(size=300)
        views.append(places + nuisance)

    def right(first: np.ndarray, second: np.ndarray) -> float:
        return float(((first @ second.T).argmax(1) == np.arange(300)).mean())

    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in views]
    white = [whitening(vectors, shrinkage=0.01)(vectors) for vectors in views]
    assert right(*white) > 2 * right(*unit)
    np.testing.assert_allclose(np.linalg.norm(white[0], axis=1), 1, rtol=1e-5)


def test_descriptors_that_are_all_alike_stay_finite():
    alike = np.ones((5, 3), np.float32)
    np.testing.assert_array_equal(whitening(alike, shrinkage=0.1)(alike), 0)


def test_one_descriptor_has_no_spread():
    with pytest.raises(ValueError, match="1 descriptor cannot be whitened"):
        whitening(np.ones((1, 3), np.float32), shrinkage=0.1)


def test_a_number_that_is_not_known_is_taken_for_the_mean():
    """As if it had been filled in before: the mean of those that are known, and no deviation from it."""
    rng = np.random.default_rng(1)
    vectors = view(1) + 20  # no number is 0 by itself
    known = rng.uniform(size=vectors.shape) < 0.4
    mean = np.array([column[here].mean() for column, here in zip(vectors.T, known.T, strict=True)])
    holes, filled = np.where(known, vectors, 0), np.where(known, vectors, mean).astype(np.float32)
    found, expected = whitening(holes, shrinkage=0.1, gaps=True), whitening(filled, shrinkage=0.1)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-4)
    some = known.any(1)
    np.testing.assert_allclose(found(holes)[some], expected(filled)[some], atol=2e-3)
    assert not found(holes)[~some].any(), "of which nothing is known"
