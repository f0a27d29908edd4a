import torch
import torch.nn.functional as F

from ucvgl.networks.safa import SAFA, MeanPool


def test_every_head_weighs_the_positions_by_two_linear_layers_of_the_strongest_channel():
    torch.manual_seed(0)
    safa, features = SAFA(6, heads=3), torch.randn(2, 5, 2, 3)
    found = safa(features)
    assert found.shape == (2, 15)
    for image in range(2):
        flat = features[image].flatten(1)
        peak = flat.max(0).values
        for head in range(3):
            hidden = F.linear(peak, safa.squeeze[head], safa.squeeze_bias[head])
            weights = F.linear(hidden, safa.excite[head], safa.excite_bias[head])
            expected = (flat * weights).sum(1)
            torch.testing.assert_close(found[image, 5 * head : 5 * head + 5], expected)


def test_heads_start_apart_and_all_learn():
    torch.manual_seed(0)
    safa = SAFA(6, heads=4)
    maps = safa.maps(torch.randn(1, 5, 2, 3))[0]
    assert torch.pdist(maps).min() > 0.05
    safa(torch.randn(2, 5, 2, 3)).square().sum().backward()
    for name, weights in safa.named_parameters():
        assert weights.grad is not None and weights.grad.flatten(1).abs().sum(1).min() > 0, name


def test_mean_pooling_averages_over_positions():
    features = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert MeanPool()(features).tolist() == [[2.5, 8.5]]
