import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.matching.mutual import margin_threshold, matches, mutual_queries, pseudo_labels
from ucvgl.matching.topk import two_sided_topk
from ucvgl.types import Matches


def integers(rows: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, (rows, dimension)).astype(np.float32)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 2**32))
def test_matches_are_those_of_a_loop_over_all_pairs(n, m, seed):
    queries, references = integers(n, 3, seed), integers(m, 3, seed + 1)
    found = matches(two_sided_topk(queries, references))
    similarity = queries @ references.T
    for query in range(n):
        row = similarity[query].tolist()
        reference = row.index(max(row))
        column = similarity[:, reference].tolist()
        rest = row[:reference] + row[reference + 1 :]
        assert found.query[query] == query
        assert found.reference[query] == reference
        assert found.score[query] == row[reference]
        assert found.margin[query] == (row[reference] - max(rest) if rest else np.inf)
        assert found.mutual[query] == (column.index(max(column)) == query)


def test_a_shard_numbers_its_matches_as_the_whole_does():
    queries, references = integers(20, 3, 0), integers(30, 3, 1)
    found = matches(two_sided_topk(queries, references, query_start=100, reference_start=1000))
    whole = matches(two_sided_topk(queries, references))
    assert whole.mutual.any()
    np.testing.assert_array_equal(found.query, whole.query + 100)
    np.testing.assert_array_equal(found.reference, whole.reference + 1000)
    np.testing.assert_array_equal(found.mutual, whole.mutual)
    np.testing.assert_array_equal(found.margin, whole.margin)


def test_a_single_candidate_is_certain_and_no_candidate_is_never_labelled():
    queries, single, none = integers(4, 3, 0), integers(1, 3, 1), integers(0, 3, 2)
    certain = matches(two_sided_topk(queries, single))
    assert (certain.margin == np.inf).all()
    best = np.argmax(queries @ single[0])
    assert np.flatnonzero(pseudo_labels(certain, min_margin=1e9)).tolist() == [best]
    assert pseudo_labels(certain, min_margin=1e9, mutual=False).all()

    empty = matches(two_sided_topk(queries, none, reference_start=5))
    assert (empty.reference == -1).all()
    assert not np.isnan(empty.margin).any()
    for mutual in (True, False):
        assert not pseudo_labels(empty, min_margin=-np.inf, mutual=mutual).any()


def test_no_queries_have_no_matches():
    found = matches(two_sided_topk(integers(0, 3, 0), integers(4, 3, 1)))
    assert len(found.query) == len(pseudo_labels(found, min_margin=0.0)) == 0


def test_margins_need_a_second_best():
    with pytest.raises(ValueError, match="k >= 2"):
        matches(two_sided_topk(integers(3, 2, 0), integers(3, 2, 1), k=1))


@given(st.data())
def test_mutual_queries_are_those_whose_reference_points_back(data):
    n, m = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 8))
    forth = np.array(data.draw(st.lists(st.integers(-1, m - 1), min_size=n, max_size=n)), int)
    back = np.array(data.draw(st.lists(st.integers(-1, n - 1), min_size=m, max_size=m)), int)
    expected = [reference >= 0 and back[reference] == query for query, reference in enumerate(forth)]
    assert mutual_queries(forth, back).tolist() == expected


def test_labels_reach_the_threshold_and_are_mutual_unless_told_otherwise():
    found = Matches(
        query=np.arange(4),
        reference=np.array([3, 1, 0, 2]),
        score=np.ones(4),
        margin=np.array([0.05, 0.04, 0.5, 0.051]),
        mutual=np.array([True, True, False, True]),
    )
    assert pseudo_labels(found, min_margin=0.05).tolist() == [True, False, False, True]
    assert pseudo_labels(found, min_margin=0.05, mutual=False).tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("epoch", "threshold"),
    [
        (6, 0.0473),
        (10, 0.0427),
        (15, 0.0346),
        (20, 0.025),
        (25, 0.0154),
        (30, 0.0073),
        (35, 0.0019),
        (39, 0.00008),
    ],
)
def test_thresholds_fall_as_in_the_released_code(epoch, threshold):
    """Its 40 epochs stop one short of the end of the cosine, where our last round is."""
    assert margin_threshold(epoch, 41, first=0.05) == pytest.approx(threshold, abs=6e-5)


def test_thresholds_start_at_the_first_and_end_at_the_final_one():
    thresholds = [margin_threshold(index, 5, first=0.08, final=0.02) for index in range(5)]
    assert thresholds[0] == pytest.approx(0.08)
    assert thresholds[2] == pytest.approx(0.05)
    assert thresholds[-1] == pytest.approx(0.02)
    assert thresholds == sorted(thresholds, reverse=True)
    assert margin_threshold(0, 1, first=0.08, final=0.02) == 0.08
