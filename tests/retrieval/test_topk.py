import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.regimes import REGIMES
from ucvgl.pseudo_labels.mutual_matching import matches, pseudo_labels
from ucvgl.retrieval.precision import precision_for
from ucvgl.retrieval.search import RUN, RUNS, centre
from ucvgl.retrieval.topk import TwoSided, merge, two_sided_topk
from ucvgl.retrieval.vectors import InMemory


def integers(rows: int, dimension: int, seed: int, *, largest: int = 2) -> np.ndarray:
    """Small integers: sums of products are exact in any order, and ties common."""
    drawn = np.random.default_rng(seed).integers(-largest, largest + 1, (rows, dimension))
    return drawn.astype(np.float32)


def directions(rows: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sorted_out(own: np.ndarray, other: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: all scores in float64, best first, the lowest index first among equals."""
    score, index = np.full((len(own), k), -np.inf), np.full((len(own), k), -1)
    for row, vector in enumerate(own.astype(np.float64)):
        scores = (other.astype(np.float64) @ vector).tolist()
        best = sorted(range(len(other)), key=lambda column: (-scores[column], column))[:k]
        index[row, : len(best)] = best
        score[row, : len(best)] = [scores[column] for column in best]
    return score, index


def oracle(queries: np.ndarray, references: np.ndarray, k: int) -> TwoSided:
    return TwoSided(0, 0, *sorted_out(queries, references, k), *sorted_out(references, queries, k))


def assert_same(found: TwoSided, expected: TwoSided):
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


ways = st.fixed_dictionaries(
    {
        "block": st.integers(1, 200),
        "tile": st.integers(1, 200),
        "threads": st.integers(1, 3),
        "dtype": st.sampled_from([torch.bfloat16, torch.float32]),
    }
)
"""How to go about it, which must not matter."""


def in_shards(queries, references, k, draw) -> TwoSided:
    """Matched shard by shard with tiles of any size, and merged in any order and grouping."""
    parts = []
    query_cuts = [0, *sorted(draw(st.lists(st.integers(0, len(queries)), max_size=3))), len(queries)]
    for top, bottom in zip(query_cuts, query_cuts[1:], strict=False):
        reference_cuts = draw(st.lists(st.integers(0, len(references)), max_size=2))
        reference_cuts = [0, *sorted(reference_cuts), len(references)]
        for left, right in zip(reference_cuts, reference_cuts[1:], strict=False):
            shard = queries[top:bottom], references[left:right]
            parts.append(two_sided_topk(*shard, k=k, query_start=top, reference_start=left, **draw(ways)))
    parts = draw(st.permutations(parts))
    cut = draw(st.integers(0, len(parts)))
    groups = [group for group in (parts[:cut], parts[cut:]) if group]
    return merge([merge(group) for group in groups])


@settings(max_examples=40)
@given(st.data())
def test_any_tiles_sharding_and_order_agree_with_sorting_all_scores_when_ties_are_everywhere(data):
    draw = data.draw
    dimension, k, seed = draw(st.integers(2, 16)), draw(st.integers(1, 5)), draw(st.integers(0, 2**32))
    n, m = draw(st.integers(0, 130)), draw(st.integers(0, 130))
    largest = draw(st.integers(1, 3))
    queries = integers(n, dimension, seed, largest=largest)
    references = integers(m, dimension, seed + 1, largest=largest)
    expected = oracle(queries, references, k)
    assert_same(two_sided_topk(queries, references, k=k, **draw(ways)), expected)
    assert_same(in_shards(queries, references, k, draw), expected)


@settings(max_examples=15)
@given(st.data())
def test_real_vectors_give_the_same_bits_for_any_tiles_sharding_and_order(data):
    dimension, seed = data.draw(st.sampled_from([1, 3, 7, 64, 300])), data.draw(st.integers(0, 2**32))
    queries, references = directions(90, dimension, seed), directions(120, dimension, seed + 1)
    whole = two_sided_topk(queries, references, k=3)
    assert_same(in_shards(queries, references, 3, data.draw), whole)
    expected = oracle(queries, references, 3)
    for side in ("row_score", "column_score"):
        np.testing.assert_allclose(getattr(whole, side), getattr(expected, side), atol=1e-15)


@pytest.mark.parametrize("dimension", [8, 512, 8192])
def test_real_vectors_find_the_partners_that_float64_finds(dimension):
    queries, references = directions(300, dimension, 0), directions(400, dimension, 1)
    found, expected = two_sided_topk(queries, references, tile=128), oracle(queries, references, 2)
    np.testing.assert_array_equal(found.row_index, expected.row_index)
    np.testing.assert_array_equal(found.column_index, expected.column_index)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("size", [(300, 260, 128), (203, 371, 130), (3, 5, 128)])
def test_labels_are_those_of_float64_for_every_kind_of_embedding_and_threshold(regime, size):
    queries, references = REGIMES[regime](*size)
    expected = oracle(queries, references, 2)
    for dtype in (torch.bfloat16, torch.float32):
        found = two_sided_topk(queries, references, block=96, tile=128, dtype=dtype)
        assert_close(found, expected)
        for threshold in (0, 0.002, 0.01, 0.035, 0.1):
            labels = [pseudo_labels(matches(best), min_margin=threshold) for best in (found, expected)]
            np.testing.assert_array_equal(*labels)


def assert_close(found: TwoSided, expected: TwoSided):
    """The oracle adds up in another order, so that scores differ in the last bit, and partners only where these tie."""
    for side in ("row", "column"):
        score, index = getattr(expected, f"{side}_score"), getattr(expected, f"{side}_index")
        np.testing.assert_allclose(getattr(found, f"{side}_score"), score, atol=4e-16)
        other = getattr(found, f"{side}_index") != index
        gaps = np.diff(score, axis=1)
        assert (np.abs(gaps[other.any(axis=1)]) < 1e-14).all() or not other.any()


def fast_products(query: np.ndarray, references: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    centres = (centre(InMemory(side), (0, len(side))) for side in (query, references))
    how = precision_for(query.shape[1], *centres, dtype)
    own, other = how.queries(torch.from_numpy(query)), how.references(torch.from_numpy(references))
    return (own.operand @ other.operand.T)[0].double().numpy() + how.offset


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1.0, 2.0**20, 2.0**-20])
def test_partners_that_the_fast_product_takes_for_one_or_swaps_are_told_apart(scale, dtype):
    """The references hold the same numbers in other orders: equal sums, which are rounded in many ways.

    There are as many as the mean is taken of, so that it does not depend on their order.
    """
    rng = np.random.default_rng(0)
    numbers = rng.uniform(0.25, 1, 256).astype(np.float32)
    references = np.stack([rng.permutation(numbers) for _ in range(RUNS * RUN)]) * np.float32(scale)
    query = np.ones((1, 256), np.float32)
    references = references[fast_products(query, references, dtype).argsort()[::-1]]
    references[-1, 7] = np.nextafter(references[-1, 7], np.float32(np.inf))  # the best, by one bit
    product = fast_products(query, references, dtype)
    assert (product > product[255]).sum() > 50, "fifty candidates would do: the case is too easy"
    assert product[255] < numbers.astype(np.float64).sum() * scale, "it must look worse than the others are"
    for tile in (64, 128, 2048):
        found = two_sided_topk(query, references, k=3, tile=tile, dtype=dtype)
        assert found.row_index.tolist() == [[255, 0, 1]]
        found = two_sided_topk(references, query, k=3, tile=tile, dtype=dtype)
        assert found.column_index.tolist() == [[255, 0, 1]]


def test_many_copies_of_one_vector_tie_and_the_first_ones_are_kept():
    queries = np.repeat(directions(1, 200, 0), 700, axis=0)
    found = two_sided_topk(queries, queries, k=3, tile=256)
    np.testing.assert_array_equal(found.row_index, np.tile([0, 1, 2], (700, 1)))
    np.testing.assert_array_equal(found.column_index, np.tile([0, 1, 2], (700, 1)))


def test_scores_of_very_different_lengths_are_compared_with_the_errors_of_the_longest():
    references = directions(300, 32, 0) * np.geomspace(1e-20, 1e15, 300).astype(np.float32)[:, None]
    queries = directions(40, 32, 1) * np.geomspace(1e-25, 1e10, 40).astype(np.float32)[:, None]
    found, expected = two_sided_topk(queries, references, tile=64), oracle(queries, references, 2)
    np.testing.assert_array_equal(found.row_index, expected.row_index)
    np.testing.assert_array_equal(found.column_index, expected.column_index)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (5, 0), (1, 1), (1, 4), (33, 1)])
def test_empty_and_tiny_sides_are_filled_up_with_absent_partners(n, m):
    queries, references = integers(n, 3, 0), integers(m, 3, 1)
    found = two_sided_topk(queries, references, k=4, query_start=7, reference_start=9)
    absent = max(0, 4 - m)
    assert found.row_score.shape == (n, 4)
    assert (found.row_index[:, 4 - absent :] == -1).all()
    assert (found.row_score[:, 4 - absent :] == -np.inf).all()
    assert (found.row_index[:, : 4 - absent] >= 9).all()
    assert found.column_index.shape == (m, 4)
    assert (found.column_index[:, : min(n, 4)] >= 7).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_vectors_that_are_not_finite_are_refused_by_number(bad):
    queries, references = directions(6, 4, 0), directions(9, 4, 1)
    references[[2, 7], 1] = bad
    with pytest.raises(ValueError, match=r"^references \[102, 107\] \(2 in all\) are not finite"):
        two_sided_topk(queries, references, reference_start=100)
    with pytest.raises(ValueError, match=r"^queries \[2, 7\] "):
        two_sided_topk(references, queries)


def test_read_only_and_strided_vectors_are_matched_without_ado():
    queries, references = integers(40, 6, 0), integers(50, 6, 1)
    expected = two_sided_topk(queries, references)
    queries.flags.writeable = False  # as Ray hands them out
    assert_same(two_sided_topk(queries, np.asfortranarray(references)), expected)


def test_training_in_lower_precision_around_it_does_not_reach_the_matching():
    queries, references = directions(50, 64, 0), directions(60, 64, 1)
    expected = two_sided_topk(queries, references)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(two_sided_topk(queries, references), expected)
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(ValueError, match="'highest'"):
            two_sided_topk(queries, references)
    finally:
        torch.set_float32_matmul_precision("highest")
