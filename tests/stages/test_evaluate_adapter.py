from ucvgl.stages.evaluate_adapter import reversed_truth
from ucvgl.truth.ground_truth import GroundTruth


def test_the_same_pairs_are_asked_from_the_other_side():
    truth = GroundTruth({"drone 1": ("tile a",), "drone 2": ("tile a", "tile b")}, "one true tile")
    back = reversed_truth(truth)
    assert back.positives == {"tile a": ("drone 1", "drone 2"), "tile b": ("drone 2",)}
    assert back.protocol == "one true tile, asked from the other side"
