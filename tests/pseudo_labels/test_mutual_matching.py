import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.mutual_matching import (
    agreement,
    eligible,
    margin_threshold,
    matches,
    mutual_queries,
    pseudo_labels,
    share_below,
    undecided,
)
from ucvgl.retrieval.topk import two_sided_topk
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


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
def test_a_reference_may_be_shared_by_its_best_queries_and_its_margin_is_over_the_next(n, m, reciprocal, seed):
    queries, references = integers(n, 2, seed), integers(m, 2, seed + 1)
    found = matches(two_sided_topk(queries, references, k=max(2, reciprocal + 1)), reciprocal=reciprocal)
    similarity = queries @ references.T
    for query in range(n):
        column = similarity[:, found.reference[query]].tolist()
        order = sorted(range(n), key=lambda other: (-column[other], other))
        among = query in order[:reciprocal]
        beyond = order[reciprocal:] if among else order[reciprocal - 1 :]
        assert found.mutual[query] == among
        assert found.reference_margin[query] == (column[query] - column[beyond[0]] if beyond else np.inf)


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
    with pytest.raises(ValueError, match="k >= 2 partners, but 1 were kept"):
        matches(two_sided_topk(integers(3, 2, 0), integers(3, 2, 1), k=1))
    with pytest.raises(ValueError, match="k >= 4 partners, but 2 were kept"):
        matches(two_sided_topk(integers(3, 2, 0), integers(3, 2, 1)), reciprocal=3)


@given(st.data())
def test_mutual_queries_are_those_whose_reference_points_back(data):
    n, m, k = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 8)), data.draw(st.integers(1, 3))
    forth = np.array(data.draw(st.lists(st.integers(-1, m - 1), min_size=n, max_size=n)), int)
    back = np.array(data.draw(st.lists(st.integers(-1, n - 1), min_size=m * k, max_size=m * k)), int).reshape(m, k)
    expected = [reference >= 0 and query in back[reference].tolist() for query, reference in enumerate(forth)]
    assert mutual_queries(forth, back).tolist() == expected


FOUR = Matches(
    query=np.arange(4),
    reference=np.array([3, 1, 0, 2]),
    score=np.ones(4),
    margin=np.array([0.05, 0.04, 0.5, 0.051]),
    reference_margin=np.array([0.04, 0.06, -0.1, 0.07]),
    mutual=np.array([True, True, False, True]),
)


def test_labels_reach_the_threshold_and_are_mutual_unless_told_otherwise():
    assert pseudo_labels(FOUR, min_margin=0.05).tolist() == [True, False, False, True]
    assert pseudo_labels(FOUR, min_margin=0.05, mutual=False).tolist() == [True, False, True, True]


def test_a_quantile_drops_that_share_of_the_candidates():
    def kept(least, mutual=True):
        candidate = eligible(FOUR, mutual=mutual)
        return (candidate & (share_below(FOUR.margin, candidate) >= least)).tolist()

    assert kept(0.3) == [True, False, False, True]
    assert kept(0.5) == [False, False, False, True]
    assert kept(0.5, mutual=False) == [False, False, True, True]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 2**32))
def test_quantiles_do_not_depend_on_the_spread_of_the_similarities(margins, seed):
    margin = np.array(margins) / 64
    eligible = np.random.default_rng(seed).random(len(margin)) < 0.7
    if eligible.any():
        once, wide = share_below(margin, eligible), share_below(margin * 4, eligible)
        np.testing.assert_array_equal(once, wide)
        assert (np.diff(once[np.argsort(margin)]) >= 0).all()


def test_infinite_and_equal_margins_have_a_scale_too():
    margin, all_of_them = np.array([np.inf, 0.25, 0.25]), np.ones(3, bool)
    assert share_below(margin, all_of_them).tolist() == [2 / 3, 0, 0]
    assert share_below(margin, ~all_of_them).tolist() == margin.tolist()


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


def test_agreement_is_the_share_of_mutual_matches():
    assert agreement(FOUR) == 0.75
    assert agreement(matches(two_sided_topk(integers(0, 3, 0), integers(4, 3, 1)))) == 0.0


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32))
def test_known_pairs_win_over_matches_that_say_otherwise_from_either_side(n, m, reciprocal, seed):
    found = matches(two_sided_topk(integers(n, 3, seed), integers(m, 3, seed + 1)))
    random = np.random.default_rng(seed)
    known = [(query, int(random.integers(m))) for query in range(n) if random.random() < 0.4]
    query, reference = (np.array([pair[side] for pair in known], int) for side in (0, 1))
    open_ = undecided(found, query, reference, reciprocal=reciprocal)
    for place, (one, other) in enumerate(zip(found.query.tolist(), found.reference.tolist(), strict=True)):
        tile_is_full = sum(tile == other for _, tile in known) >= reciprocal
        assert open_[place] == (one not in query and not tile_is_full)
