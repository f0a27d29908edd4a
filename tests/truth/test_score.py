import numpy as np
import pytest

from ucvgl.truth.door import GroundTruth
from ucvgl.truth.score import protocol_of, score_in_memory, tiles_as_well, trained_before, trained_on

QUERIES, REFERENCES = np.array(["a", "b", "c"]), np.array(["t0", "t1", "t2", "t3"])
# Similarities of the three queries with the four tiles, by vectors that have them as coordinates.
QUERY = np.array([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]], np.float32)
REFERENCE = np.eye(4, dtype=np.float32)


def reached(truth: GroundTruth):
    found = score_in_memory(QUERY, REFERENCE, protocol_of(truth, QUERIES, REFERENCES))
    return found, found.more


def test_one_true_tile_is_scored_by_recall_alone():
    found, more = reached(GroundTruth({"a": ("t0",), "b": ("t1",)}))
    assert (found.r1, found.r5, found.queries, found.without_reference) == (0.5, 1.0, 2, 1)
    assert found.protocol == "one true tile, ties count against"
    assert (found.positives, more) == (1.0, {})


def test_a_hit_needs_the_positive_first_once_semi_positives_are_taken_out():
    truth = GroundTruth(
        {"a": ("t1",), "b": ("t2",), "c": ("t0",)}, "labels", spared={"a": ("t0",), "b": ("t0",), "c": ("t3", "t2")}
    )
    found, more = reached(truth)
    assert found.r1 == 0.0  # the spared tiles still stand in the way of the recall
    assert more == {"hit rate": pytest.approx(1 / 3)}  # a; b has t1 before it, c has t1 before it


def test_under_the_five_metre_rule_a_near_tile_is_right_and_the_own_one_is_counted_apart():
    truth = GroundTruth(
        {"a": ("t0", "t1"), "b": ("t0",), "c": ("t2",)}, "near", own={"a": ("t1",), "b": ("t0",), "c": ("t2",)}
    )
    found, more = reached(truth)
    assert found.r1 == pytest.approx(2 / 3)
    assert found.positives == pytest.approx(4 / 3) and found.chance == pytest.approx(1 / 3)
    assert more["R@1 (own tile)"] == pytest.approx(1 / 3)
    assert more["R@5 (own tile)"] == 1.0


def test_average_precision_comes_in_both_forms_where_it_is_asked_for():
    truth = GroundTruth({"a": ("t0", "t2"), "b": ("t1",)}, "buildings", average_precision=True)
    found, more = reached(truth)
    assert found.r1 == 0.5
    # a: first and third place; b: second place.
    assert more["AP (plain)"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert more["AP (trapezoid)"] == pytest.approx(((1 + (1 / 2 + 2 / 3) / 2) / 2 + 1 / 4) / 2)


def test_without_truth_nothing_can_be_answered():
    assert not protocol_of(None, QUERIES, REFERENCES).answerable
    assert not protocol_of(GroundTruth({"a": ("elsewhere",)}), QUERIES, REFERENCES).answerable
    assert protocol_of(GroundTruth({"a": ("t0",)}), QUERIES, REFERENCES).answerable


def test_the_line_of_the_recall_says_how_many_queries_were_trained_on():
    protocol = protocol_of(GroundTruth({"a": ("t0",), "b": ("t1",)}), QUERIES, REFERENCES)
    assert trained_on(protocol, np.zeros(3, bool)) == tiles_as_well(protocol, np.zeros(3, bool)) == protocol
    told = trained_on(protocol, np.array([True, False, True]))
    found = score_in_memory(QUERY, REFERENCE, told)
    assert "protocol: one true tile; 2 of the 3 queries were TRAINED ON, ties count against" in str(found)
    told = tiles_as_well(protocol, np.array([True, False, False]))
    assert told.words == "one true tile; 1 of the 3 queries are TILES AS WELL and find themselves"


@pytest.mark.parametrize("known", [True, False])
def test_it_says_what_the_encoders_were_trained_on_before(known):
    protocol = protocol_of(GroundTruth({"a": ("t0",)}), QUERIES, REFERENCES)
    told = trained_before(protocol, np.array([True, False, False]), known=known).words
    more = "" if known else "; what else the encoders were trained on, before this run, is not known"
    assert told == f"one true tile; 1 of the 3 queries were TRAINED ON before{more}"
