import numpy as np
import pytest

from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.fair_choice import chosen
from ucvgl.pseudo_labels.votes import TRUST, telling, vote_map, voted_labels, votes_of_others


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def places():
    """60 places; a view keeps a place's 16 numbers, in the other view some change their sign, and both have noise."""
    draw = np.random.default_rng(0)
    place = draw.standard_normal((60, 16))
    change = np.where(np.arange(16) < 3, -1.0, 1.0)
    noise = 0.35 * draw.standard_normal((2, 60, 16))
    return unit(place + noise[0]), unit(place * change + noise[1])


def test_a_vote_is_the_sum_over_all_labels_that_share_neither_the_reference_nor_that_of_the_query(places):
    queries, references = (vectors[:7] for vectors in places)
    labels = Labels(np.array([0, 2, 4, 5]), np.array([1, 2, 1, 6]), np.array([1.0, 0.5, 0.75, 0.25]))
    own = dict(zip(labels.query, labels.reference, strict=True))
    expected = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            for k, m, weight in zip(labels.query, labels.reference, labels.weight, strict=True):
                if m not in (j, own.get(i)):
                    vote = (queries[i] @ queries[k]) * (references[m] @ references[j])
                    expected[i, j] += weight / 2.5 * vote
    found = votes_of_others(queries, references, labels)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_map_gives_the_votes_of_all_labels(places):
    queries, references = places
    labels = Labels(np.array([3, 9]), np.array([3, 8]), np.array([1.0, 0.5]))
    votes = queries @ vote_map(queries, references, labels) @ references.T
    one = np.outer(queries @ queries[3], references @ references[3])
    other = np.outer(queries @ queries[9], references @ references[8])
    np.testing.assert_allclose(votes, (one + 0.5 * other) / 1.5, atol=1e-6)


def test_pictures_of_a_place_that_choose_and_vote_together_are_labelled_right_more_often():
    """Four pictures a place, each with as much noise as it has signal; from above a third of it has another sign."""
    draw = np.random.default_rng(0)
    place = draw.standard_normal((60, 64))
    pictures = unit(np.repeat(place, 4, axis=0) + draw.standard_normal((240, 64)))
    tiles = unit(place * np.where(np.arange(64) < 24, -1, 1) + 0.5 * draw.standard_normal((60, 64)))
    alone, together = (voted_labels(pictures, tiles, shared=4, neighbours=count)[0] for count in (0, 3))
    right = [np.sum(labels.query // 4 == labels.reference) for labels in (alone, together)]
    assert right[1] > 1.2 * right[0] and right[1] / len(together) > 1.2 * right[0] / len(alone)


def test_votes_make_labels_right_and_the_map_finds_more_of_the_images_it_never_saw(places):
    queries, references = places
    seen, unseen = slice(0, 40), slice(40, 60)
    (first, _), (last, strength) = (voted_labels(queries[seen], references[seen], rounds=rounds) for rounds in (1, 6))
    right = [np.mean(labels.query == labels.reference) for labels in (first, last)]
    assert right[1] >= right[0]
    change = strength / 4 * vote_map(queries[seen], references[seen], last)
    before = (queries[unseen] @ references[unseen].T).argmax(axis=1)
    moved = unit(queries[unseen] + queries[unseen] @ change), unit(references[unseen] + references[unseen] @ change.T)
    after = (moved[0] @ moved[1].T).argmax(axis=1)
    assert np.mean(after == np.arange(20)) > np.mean(before == np.arange(20))


def test_votes_count_by_how_far_they_set_labels_apart_whatever_their_unit(places):
    queries, references = places
    labels, strength = voted_labels(queries, references, rounds=2)
    similarity = queries @ references.T
    first = chosen(similarity)
    votes = votes_of_others(queries, references, first)
    apart = [
        (np.sum(first.weight * some[first.query, first.reference]) / first.weight.sum() - some.mean()) / some.var()
        for some in (votes, similarity)
    ]
    assert strength == pytest.approx(TRUST * apart[0] / apart[1], rel=1e-4)
    assert telling(10 * votes, first) == pytest.approx(telling(votes, first) / 10, rel=1e-5)
    again = chosen(similarity + strength * votes)
    assert (again.query.tolist(), again.reference.tolist()) == (labels.query.tolist(), labels.reference.tolist())


def test_a_pair_alone_has_nobody_who_votes():
    alone = np.array([[1, 0]], np.float32)
    labels, strength = voted_labels(alone, alone, rounds=3)
    assert strength == 0.0 and labels.query.tolist() == [0]


@pytest.mark.parametrize("shared", [1, 9])
@pytest.mark.parametrize("neighbours", [0, 4])
@pytest.mark.parametrize(("queries", "references"), [(1, 3), (3, 1), (2, 2), (5, 2)])
def test_a_handful_of_images_or_all_the_same_have_labels_and_a_strength(queries, references, shared, neighbours):
    draw = np.random.default_rng(0)
    for views in (draw.standard_normal((queries + references, 8)), np.ones((queries + references, 8))):
        one, other = np.split(unit(views), [queries])
        labels, strength = voted_labels(one, other, shared=shared, neighbours=neighbours)
        assert len(labels) and np.isfinite(strength)
