import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.grouping import group_matches, mutual_neighbours, nearest, walked
from ucvgl.pseudo_labels.transport import transported
from ucvgl.retrieval.topk import two_sided_topk


def unit(rows: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 15), st.integers(1, 6), st.integers(0, 2**32))
def test_the_nearest_others_are_those_of_a_sorted_list(n, count, seed):
    vectors = np.random.default_rng(seed).integers(-3, 4, (n, 3)).astype(np.float32)
    found = nearest(vectors, count)
    for row in range(n):
        others = [other for other in range(n) if other != row]
        score = vectors @ vectors[row]
        others.sort(key=lambda other: (-score[other], other))
        expected = (others + count * [-1])[:count]
        got = found[row].tolist()
        assert row not in got
        assert [score[o] if o >= 0 else None for o in got] == [score[o] if o >= 0 else None for o in expected]


@given(st.integers(0, 14), st.integers(1, 5), st.integers(0, 2**32))
def test_mutual_neighbours_are_those_of_sorting_all_similarities(n, count, seed):
    vectors = unit(n, 3, seed)
    score = vectors.astype(np.float64) @ vectors.T.astype(np.float64) - 9 * np.eye(n)
    near = [set(np.argsort(-row)[: min(count, n - 1)].tolist()) for row in score]
    expected = [(a, b) for a in range(n) for b in range(a + 1, n) if b in near[a] and a in near[b]]
    assert sorted(map(tuple, mutual_neighbours(vectors, count).tolist())) == expected


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12), st.integers(0, 2**32))
def test_a_walk_meets_what_following_every_path_meets(n, drawn, seed):
    pairs = sorted({(min(a, b), max(a, b)) for a, b in drawn if a != b and max(a, b) < n})
    vectors, staying, steps = unit(n, 3, seed), 0.3, 4
    partners = {row: [a + b - row for a, b in pairs if row in (a, b)] or [row] for row in range(n)}

    def met(row: int, left: int) -> np.ndarray:
        on = sum(met(other, left - 1) for other in partners[row]) / len(partners[row]) if left else vectors[row]
        return staying * vectors[row] + (1 - staying) * on if left else vectors[row]

    expected = np.array([met(row, steps) for row in range(n)])
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    found = walked(vectors, np.array(pairs, int).reshape(-1, 2), staying=staying, steps=steps)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_views_that_fail_alone_are_right_together():
    rng = np.random.default_rng(2)
    references = unit(60, 16, 2)
    place = np.repeat(np.arange(60), 9)
    from_above = references[place] + 0.42 * rng.normal(size=(540, 16))
    facades = unit(60, 16, 3)[place]  # what the views of a place share and no tile shows
    queries = np.concatenate([from_above / np.linalg.norm(from_above, axis=1, keepdims=True), 2 * facades], axis=1)
    queries = (queries / np.sqrt(5)).astype(np.float32)
    references = np.concatenate([references, np.zeros_like(references)], axis=1)
    best = two_sided_topk(queries, references, k=10)
    alone = best.row_index[:, 0] == place
    labels = group_matches(queries, references, best, temperature=0.02)
    right = labels.reference == place[labels.query]
    assert alone.mean() < 0.5 < 0.9 < right.mean()
    assert len(labels) > 300
    assert (place[labels.alike[:, 0]] == place[labels.alike[:, 1]]).mean() > 0.9


def test_queries_that_are_like_no_other_are_transported_alone():
    references = unit(40, 8, 5)
    apart = np.eye(8, dtype=np.float32)[[0, 1, 2]]
    apart[1] += 0.5 * apart[0]  # 0 and 1 choose each other, 2 is left
    queries = apart / np.linalg.norm(apart, axis=1, keepdims=True)
    assert mutual_neighbours(queries, 1).tolist() == [[0, 1]]
    np.testing.assert_array_equal(walked(queries, np.array([[0, 1]]))[2], queries[2])
    best = two_sided_topk(queries, references, k=40)
    grouped = group_matches(queries, references, best, neighbours=1, balance=0.0, least=0.01)
    alone = transported(queries, references, best, balance=0.0, least=0.01)
    of_2 = [dict(zip(x.reference[x.query == 2], x.weight[x.query == 2], strict=True)) for x in (alone, grouped)]
    assert len(of_2[0]) > 1 and of_2[0] == pytest.approx(of_2[1])


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0), (1, 1)])
def test_without_images_there_are_no_pairs(n: int, m: int):
    queries, references = unit(n, 3, 0), unit(m, 3, 1)
    labels = group_matches(queries, references, two_sided_topk(queries, references), least=0.5)
    assert len(labels) == min(n, m, 1) and (n > 1 or len(labels.alike) == 0)
