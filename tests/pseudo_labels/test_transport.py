import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.candidates import candidates
from ucvgl.pseudo_labels.transport import shares, transported
from ucvgl.retrieval.topk import two_sided_topk

T = 0.1


def unit(rows: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plan(score: np.ndarray, balance: float, sweeps: int) -> np.ndarray:
    """Sinkhorn's scaling of a whole matrix by multiplication, as in the textbook."""
    kernel = np.exp(score.astype(np.float64) / T)
    n, m = score.shape
    column = np.ones(m)
    for _ in range(sweeps):
        row = 1 / (kernel @ column)
        column = (n / m / (kernel.T @ row)) ** balance
    mass = kernel * column
    return mass / mass.sum(1, keepdims=True)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 2**32))
def test_with_all_pairs_the_shares_are_those_of_the_dense_scaling(n, m, balance, seed):
    queries, references = unit(n, 4, seed), unit(m, 4, seed + 1)
    pairs = candidates(two_sided_topk(queries, references, k=max(n, m)))
    found = shares(pairs, n, m, temperature=T, balance=balance, sweeps=7)
    np.testing.assert_allclose(found, plan(queries @ references.T, balance, 7).ravel(), rtol=1e-4, atol=1e-9)


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 5), st.integers(0, 2**32))
def test_every_query_shares_out_one_whole_however_few_its_candidates(n, m, k, seed):
    queries, references = unit(n, 3, seed), unit(m, 3, seed + 1)
    pairs = candidates(two_sided_topk(queries, references, k=k))
    found = shares(pairs, n, m, temperature=0.01, balance=1.0, sweeps=5)
    np.testing.assert_allclose(np.bincount(pairs.query, found, n), 1, rtol=1e-9)


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 2**32))
def test_what_the_left_out_pairs_would_have_got_bounds_the_error(n, m, seed):
    """Without balance the error is known: a query's lost share, by which the others grow."""
    queries, references = unit(n, 3, seed), unit(m, 3, seed + 1)
    pairs = candidates(two_sided_topk(queries, references, k=2))
    found = shares(pairs, n, m, temperature=T, balance=0.0, sweeps=1)
    whole = plan(queries @ references.T, 0.0, 1)[pairs.query, pairs.reference]
    lost = 1 - np.bincount(pairs.query, whole, n)
    assert (np.abs(found - whole) <= lost[pairs.query] + 1e-5).all()


def test_a_reference_that_everybody_likes_is_shared_out_fairly_by_transport_only():
    hub, twins = np.array([1, 0, 0]), np.array([(0.6, 0.8, 0), (0.6, 0, 0.8)])
    references = np.array([hub, *twins], np.float32)
    queries = np.array([(0.99, 0.14, 0), (0.9, 0.43, 0), (0.9, 0, 0.43)], np.float32)
    best = two_sided_topk(queries, references, k=3)
    assert (best.row_index[:, 0] == 0).all(), "by similarity alone, all want the hub"
    fair = transported(queries, references, best, temperature=0.02, balance=1.0, sweeps=200)
    assert fair.query.tolist() == [0, 1, 2] and fair.reference.tolist() == [0, 1, 2]
    greedy = transported(queries, references, best, temperature=0.02, balance=0.0)
    assert greedy.reference.tolist() == [0, 0, 0]


@pytest.mark.parametrize("least", [0.05, 0.5, 0.9])
def test_labels_are_the_pairs_with_enough_of_the_mass_and_weigh_as_much(least):
    queries, references = unit(60, 4, 0), unit(20, 4, 1)
    best = two_sided_topk(queries, references, k=10)
    labels = transported(queries, references, best, least=least)
    share = shares(candidates(best), 60, 20, temperature=0.05, balance=0.9, sweeps=30)
    assert len(labels) == (share >= least).sum() > 0
    assert labels.weight.min() >= least
    if least >= 0.5:
        assert len(np.unique(labels.query)) == len(labels)


def test_too_few_partners_are_refused():
    queries, references = unit(30, 4, 0), unit(20, 4, 1)
    with pytest.raises(ValueError, match="best partners, but 2 were kept, fewer than 10"):
        transported(queries, references, two_sided_topk(queries, references, k=2))


def test_without_images_there_are_no_labels():
    for n, m in ((0, 3), (3, 0)):
        queries, references = unit(n, 3, 0), unit(m, 3, 1)
        assert len(transported(queries, references, two_sided_topk(queries, references, k=3))) == 0
