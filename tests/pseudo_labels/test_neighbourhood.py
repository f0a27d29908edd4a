import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.mutual_choice import mutual_matches
from ucvgl.pseudo_labels.neighbourhood import confirmed_matches, nearest, support
from ucvgl.retrieval.topk import two_sided_topk


def integers(rows: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, (rows, dimension)).astype(np.float32)


@given(st.integers(1, 15), st.integers(1, 6), st.integers(0, 2**32))
def test_the_nearest_others_are_those_of_a_sorted_list(n, count, seed):
    vectors = integers(n, 3, seed)
    found = nearest(vectors, count)
    for row in range(n):
        others = [other for other in range(n) if other != row]
        score = vectors @ vectors[row]
        others.sort(key=lambda other: (-score[other], other))
        expected = (others + count * [-1])[:count]
        got = found[row].tolist()
        assert row not in got
        assert [score[o] if o >= 0 else None for o in got] == [score[o] if o >= 0 else None for o in expected]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_support_is_counted_as_by_hand(n, m, k, j, seed):
    rng = np.random.default_rng(seed)
    choice, near_queries = rng.integers(-1, m, n), rng.integers(-1, n, (n, k))
    near_references = rng.integers(-1, m, (m, j))
    found = support(choice, near_queries, near_references)
    for query in range(n):
        asked = [other for other in near_queries[query] if other >= 0]
        around = {choice[query], *near_references[choice[query]]} - {-1} if choice[query] >= 0 else set()
        votes = [choice[other] in around for other in asked]
        assert found[query] == (sum(votes) / len(votes) if votes else 0)


def test_a_wrong_match_that_its_neighbours_contradict_is_dropped():
    places = np.eye(8)[:4]
    queries = np.repeat(places, 4, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(16, 8))
    references = places.copy()
    queries[5] += 1.5 * places[2]  # looks like place 2, but its neighbours are those of place 1
    queries[5, 4:] = queries[4, 4:]
    queries, references = queries.astype(np.float32), references.astype(np.float32)
    near = np.array([[other for other in range(16) if other // 4 == q // 4 and other != q] for q in range(16)])
    best = two_sided_topk(queries, references, k=2)
    share = support(best.row_index[:, 0], near, np.full((4, 1), -1))
    assert best.row_index[5, 0] == 2 and share[5] == 0
    assert (np.delete(share, 5) >= 2 / 3).all()


@given(st.integers(2, 25), st.integers(2, 25), st.booleans(), st.integers(0, 2**32))
def test_labels_are_mutual_matches_fewer_the_more_support_they_need(n, m, mutual, seed):
    queries, references = integers(n, 3, seed), integers(m, 3, seed + 1)
    best = two_sided_topk(queries, references)
    plain = mutual_matches(queries, references, best, least=-np.inf, mutual=mutual)
    kept = [
        confirmed_matches(queries, references, best, neighbours=3, least=least, mutual=mutual)
        for least in (0.0, 0.3, 0.7)
    ]
    sets = [set(zip(some.query.tolist(), some.reference.tolist(), strict=True)) for some in (plain, *kept)]
    assert sets[0] == sets[1] and sets[1] >= sets[2] >= sets[3]


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0), (1, 1)])
def test_without_neighbours_there_are_no_labels(n: int, m: int):
    queries, references = integers(n, 3, 0), integers(m, 3, 1)
    assert len(confirmed_matches(queries, references, two_sided_topk(queries, references))) == 0
