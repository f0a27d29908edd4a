"""What strangers say of a pool whose truth is known, hubs among pool and decoys or not."""

import numpy as np
import pytest

from ucvgl.pseudo_labels.strangers import decoys_preferred, recall_beside_strangers


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("noise", [0.6, 1.2, 2.0])
@pytest.mark.parametrize("hubs", [0.0, 1.0])
def test_recall_is_told_without_labels_where_hubs_are_few_or_many(noise, hubs):
    draw = np.random.default_rng(0)

    def seen(places):
        common = hubs * draw.random((len(places), 1))
        return unit(np.hstack((places + noise * draw.standard_normal(places.shape), common)))

    pool, left_out = draw.standard_normal((1500, 24)), draw.standard_normal((1000, 24))
    elsewhere = draw.standard_normal((750, 24))
    queries, references, strange = seen(pool), seen(pool), seen(left_out)
    decoys = seen(np.concatenate((left_out[:250], elsewhere)))
    true = np.mean((queries @ references.T).argmax(axis=1) == np.arange(len(pool)))
    asked, other = (decoys_preferred(some, references, decoys) for some in (queries, strange))
    judged = recall_beside_strangers([asked], [other], share=0.25)
    assert abs(judged.value - true) < 0.07
    assert judged.low <= judged.value <= judged.high


def test_queries_of_elsewhere_find_nothing():
    draw = np.random.default_rng(0)
    queries, strange, pool, decoys = (unit(draw.standard_normal((1000, 16))) for _ in range(4))
    asked, other = (decoys_preferred(some, pool, decoys) for some in (queries, strange))
    assert recall_beside_strangers([asked], [other], share=0.0).value < 0.08


def test_a_decoy_is_preferred_where_it_is_nearer_than_the_best_of_the_pool():
    asked = np.eye(2)
    pool, decoys = np.array([[0.5, 0.0], [0.0, 0.1]]), np.array([[0.6, 0.2], [0.4, 0.3], [0.9, 0.0]])
    np.testing.assert_array_equal(decoys_preferred(asked, pool, decoys), [2, 2])


def test_a_handful_that_all_choose_alike_makes_nobody_sure():
    few, many = np.zeros(3, int), np.zeros(3000, int)
    strange = [np.full(200, 2)]
    assert recall_beside_strangers([few], strange, share=0.25).low == 0
    assert recall_beside_strangers([many], strange, share=0.25).low > 0.98
