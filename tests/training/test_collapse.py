import pytest
import torch

from ucvgl.training.collapse import COLLAPSED, collapse, spread

ROW = {"stage": "round_00", "step": 40, "steps": 40, "label_loss": 4.85}


@pytest.mark.parametrize("dimension", [2, 64])
def test_spread_is_the_mean_squared_distance_from_the_mean(dimension):
    vectors = torch.nn.functional.normalize(torch.randn(50, dimension, generator=torch.Generator().manual_seed(0)))
    expected = (vectors - vectors.mean(0)).square().sum(1).mean()
    torch.testing.assert_close(spread(vectors), expected)
    assert spread(vectors[:1].expand(50, -1)).abs() < 1e-6


def test_an_encoder_that_describes_all_images_alike_is_said_when_its_training_ends():
    message = collapse({**ROW, "label_spread": COLLAPSED / 2, "fake_spread": 0.6})
    assert message is not None
    assert message.startswith("round_00 ends with an encoder that describes all images alike (label_spread 0.01, where")
    assert collapse({**ROW, "label_spread": COLLAPSED}) is None
    assert collapse({**ROW, "label_spread": 0.0, "step": 39}) is None, "it may still find its way"
    assert collapse({"stage": "curriculum", "labels": 3}) is None
