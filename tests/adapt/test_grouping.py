import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.adapt.grouping import group_matches, groups
from ucvgl.adapt.neighbourhood import nearest
from ucvgl.matching.mutual import matches
from ucvgl.matching.topk import two_sided_topk


def unit(rows: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def places(count: int, views: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries, `views` of each place one after the other, and one reference per place."""
    rng = np.random.default_rng(seed)
    references = unit(count, 16, seed)
    queries = np.repeat(references, views, axis=0) + noise * rng.normal(size=(count * views, 16))
    return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32), references


@given(
    st.integers(1, 14),
    st.integers(1, 5),
    st.integers(1, 14),
    st.sampled_from([0.0, 0.5, 0.8]),
    st.integers(0, 2**32),
)
def test_groups_are_those_of_repainting_a_list_edge_by_edge(n, neighbours, largest, shared, seed):
    vectors = unit(n, 3, seed)
    near, score = nearest(vectors, neighbours), vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    sets = [{row, *near[row].tolist()} - {-1} for row in range(n)]
    edges = [
        (a, b)
        for a in range(n)
        for b in range(a + 1, n)
        if b in sets[a] and a in sets[b] and len(sets[a] & sets[b]) >= shared * (neighbours + 1)
    ]
    paint = list(range(n))
    for a, b in sorted(edges, key=lambda edge: -score[edge]):
        joined = [row for row in range(n) if paint[row] in (paint[a], paint[b])]
        if len(joined) <= largest:
            for row in joined:
                paint[row] = min(joined)
    first_seen = {colour: number for number, colour in enumerate(dict.fromkeys(paint))}
    found = groups(vectors, neighbours=neighbours, largest=largest, shared=shared)
    assert found.tolist() == [first_seen[colour] for colour in paint]


def test_views_of_a_place_form_one_group_unless_they_must_share_more():
    queries, _ = places(12, 5, 0.05, 0)
    assert groups(queries, neighbours=4, largest=8).tolist() == np.repeat(np.arange(12), 5).tolist()
    assert len(set(groups(queries, neighbours=4, largest=8, shared=1.01))) == 60


def test_a_single_tie_does_not_join_two_places_whose_views_share_nothing_else():
    one, other = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    sides = [0.02 * np.random.default_rng(seed).normal(size=(6, 3)) for seed in (0, 1)]
    bridge = np.array([(1.0, 0.5, 0), (0.5, 1.0, 0)])
    vectors = np.concatenate([one + sides[0], bridge, other + sides[1]])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    chained = groups(vectors, neighbours=7, largest=14)
    assert chained[0] == chained[-1]
    apart = groups(vectors, neighbours=7, largest=14, shared=0.7)
    assert apart[0] != apart[-1]


def test_no_group_is_larger_than_allowed():
    queries, _ = places(3, 40, 0.1, 1)
    for largest in (1, 7, 40):
        assert np.bincount(groups(queries, neighbours=12, largest=largest)).max() <= largest


def test_views_that_fail_alone_are_right_together():
    seen_from_above, references = places(60, 9, 0.42, 2)
    facades = np.repeat(unit(60, 16, 3), 9, axis=0)  # what the views of a place share and no tile shows
    queries = np.concatenate([seen_from_above, 2 * facades], axis=1) / np.sqrt(np.float32(5))
    references = np.concatenate([references, np.zeros_like(references)], axis=1)
    place = np.repeat(np.arange(60), 9)
    best = two_sided_topk(queries, references, k=2)
    alone = best.row_index[:, 0] == place
    labels = group_matches(queries, references, best, neighbours=8, largest=9)
    right = labels.reference == place[labels.query]
    assert alone.mean() < 0.5 < 0.9 < right.mean()
    assert len(labels) > 300


@given(st.integers(1, 20), st.integers(2, 20), st.integers(1, 3), st.integers(0, 2**32))
def test_groups_of_one_are_matched_as_single_queries_are(n, m, reciprocal, seed):
    queries, references = unit(n, 4, seed), unit(m, 4, seed + 1)
    best = two_sided_topk(queries, references, k=reciprocal + 1)
    labels = group_matches(queries, references, best, largest=1, reciprocal=reciprocal, least=0.1)
    found = matches(best, reciprocal=reciprocal)
    kept = found.mutual & (found.margin >= 0.1)
    assert abs(len(labels) - kept.sum()) <= (np.abs(found.margin - 0.1) < 1e-6).sum()
    expected = dict(zip(found.query.tolist(), found.reference.tolist(), strict=True))
    assert all(expected[q] == r for q, r in zip(labels.query.tolist(), labels.reference.tolist(), strict=True))


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0)])
def test_without_images_there_are_no_labels(n: int, m: int):
    queries, references = unit(n, 3, 0), unit(m, 3, 1)
    assert len(group_matches(queries, references, two_sided_topk(queries, references))) == 0
