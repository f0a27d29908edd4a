import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucvgl.retrieval.recall import Recall, ranks, recall


def ranks_by_loop(query, reference, truth):
    found = []
    for vector, true in zip(query, truth, strict=True):
        if true < 0:
            found.append(-1)
            continue
        similarity = [float(vector @ other) for other in reference]
        found.append(sum(s >= similarity[true] for row, s in enumerate(similarity) if row != true))
    return found


def small_integers(seed: int, queries: int, references: int, width: int = 4):
    """Products of these are exact in float32, and ties are common."""
    rng = np.random.default_rng(seed)
    query = rng.integers(-2, 3, (queries, width)).astype(np.float32)
    reference = rng.integers(-2, 3, (references, width)).astype(np.float32)
    return query, reference, rng.integers(-1, references, queries)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5))
def test_ranks_equal_a_naive_loop_whatever_the_blocks(
    seed, queries, references, query_block, reference_block
):
    query, reference, truth = small_integers(seed, queries, references)
    found = ranks(query, reference, truth, query_block=query_block, reference_block=reference_block)
    assert found.tolist() == ranks_by_loop(query, reference, truth)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
def test_blockwise_equals_whole_for_unit_vectors(seed, query_block, reference_block):
    rng = np.random.default_rng(seed)
    query, reference = (rng.normal(size=(n, 16)).astype(np.float32) for n in (20, 30))
    truth = rng.integers(0, 30, 20)
    blocks = ranks(query, reference, truth, query_block=query_block, reference_block=reference_block)
    np.testing.assert_array_equal(blocks, ranks(query, reference, truth))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_of_several_true_references_the_best_counts_and_spared_ones_stand_aside(
    seed, queries, references, query_block, reference_block
):
    query, reference, _ = small_integers(seed, queries, references)
    rng = np.random.default_rng(seed)
    truth, spared = rng.integers(-1, references, (queries, 3)), rng.integers(-1, references, (queries, 2))
    blocks = {"query_block": query_block, "reference_block": reference_block}
    for aside in (None, spared):
        found = ranks(query, reference, truth, spared=aside, **blocks)
        for row, (vector, rank) in enumerate(zip(query, found, strict=True)):
            similarity = (reference @ vector).tolist()
            true = {other for other in truth[row] if other >= 0}
            neither = true if aside is None else true | set(spared[row])
            if not true:
                assert rank == -1
                continue
            best = max(similarity[other] for other in true)
            assert rank == sum(s >= best for other, s in enumerate(similarity) if other not in neither)


def test_a_true_reference_that_is_not_finite_leaves_the_others_to_count():
    reference = np.eye(4, dtype=np.float32)
    reference[0] = np.nan
    query = np.eye(4, dtype=np.float32)[[1]]
    assert ranks(query, reference, np.array([[0, 1]])).tolist() == [0]
    assert ranks(query, reference, np.array([[0, -1]])).tolist() == [3]


def test_the_right_embedding_scores_everything():
    vectors = np.eye(20, dtype=np.float32)
    assert recall(ranks(vectors, vectors, np.arange(20)), 20).r1 == 1.0


def test_a_constant_embedding_ranks_last():
    rng = np.random.default_rng(0)
    one = rng.normal(size=333)
    one = np.tile((one / np.linalg.norm(one)).astype(np.float32), (207, 1))
    found = ranks(one, one, np.arange(207), query_block=50, reference_block=61)
    assert set(found.tolist()) == {206}
    assert recall(found, 207).r10 == 0.0


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e38])
def test_a_non_finite_query_ranks_last(poison):
    vectors = np.eye(5, 8, dtype=np.float32)
    query = vectors.copy()
    query[2] = poison
    assert ranks(query, 10 * vectors, np.arange(5)).tolist() == [0, 0, 4, 0, 0]


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_non_finite_reference_stands_before_every_true_one(poison):
    vectors = np.eye(5, dtype=np.float32) + 0.1
    reference = vectors.copy()
    reference[2] = poison
    assert ranks(vectors, reference, np.arange(5)).tolist() == [1, 1, 4, 1, 1]


def test_queries_without_a_reference_are_left_out_and_counted():
    result = recall(np.array([0, -1, 7, -1]), references=20)
    assert (result.r1, result.r10, result.queries, result.without_reference) == (0.5, 1.0, 2, 2)


def test_no_query_with_a_reference_is_an_error_in_plain_words():
    with pytest.raises(
        ValueError, match="none of the 2 queries has its true reference among the 9 in the pool"
    ):
        recall(np.array([-1, -1]), references=9)


@pytest.mark.parametrize("references,k", [(8884, 88), (500, 5), (99, 1), (3, 1)])
def test_one_percent_is_rounded_down_but_never_to_nothing(references, k):
    result = recall(np.array([k - 1, k]), references)
    assert result.one_percent == k
    assert result.r1pct == 0.5


def test_the_last_line_says_the_protocol_the_pools_and_chance():
    assert str(recall(np.array([0, 3, 8, -1]), 500)) == (
        "R@1 33.3  R@5 66.7  R@10 100.0  R@1% 66.7   (chance R@1 0.2; 3 queries x 500 references; "
        "1 queries without a tile left out; protocol: one true tile, ties count against, 1% = best 5)"
    )


def test_what_a_protocol_adds_is_printed_and_saved_and_chance_knows_several_true_references():
    result = recall(np.array([0, 3]), 500, protocol="any image of the building", positives=54, more={"AP": 0.25})
    assert str(result).startswith("R@1 50.0  R@5 100.0  R@10 100.0  R@1% 100.0  AP 25.0   (chance R@1 11; 2 queries")
    assert "protocol: any image of the building, ties count against, 1% = best 5" in str(result)
    assert Recall(**result.saved()) == result


def test_what_only_some_protocols_have_is_not_saved_for_others():
    assert not {"positives", "more"} & set(recall(np.array([0]), 5).saved())
