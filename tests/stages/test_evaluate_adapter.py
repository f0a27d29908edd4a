from dataclasses import replace

from tests.stages.drawn_places import SMALL, TRAIN, draw_places, list_and_project
from ucvgl.stages.evaluate_adapter import reversed_truth, ways
from ucvgl.truth.ground_truth import GroundTruth


def test_the_same_pairs_are_asked_from_the_other_side():
    truth = GroundTruth({"drone 1": ("tile a",), "drone 2": ("tile a", "tile b")}, "one true tile")
    back = reversed_truth(truth)
    assert back.positives == {"tile a": ("drone 1", "drone 2"), "tile b": ("drone 2",)}
    assert back.protocol == "one true tile, asked from the other side"


def test_both_questions_say_that_what_asks_was_trained_on(tmp_path):
    """A root without splits is one pool, tiles and panoramas."""
    draw_places(tmp_path / "home")
    experiment = replace(SMALL, dataset=replace(SMALL.dataset, root=str(tmp_path / "home" / "train")))
    projected = list_and_project(tmp_path / "run", experiment)["projected"]
    for way in ways(projected, tmp_path / "described", experiment):
        assert f"{TRAIN} of the {TRAIN} queries were TRAINED ON" in way.protocol.words
