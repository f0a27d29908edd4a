import copy
import math

import pytest
import torch
from torch import nn

import ucvgl.training.descent
from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.experiment import Model
from ucvgl.training.descent import Descent, adam_w

CPU = torch.device("cpu")


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def loss_of(network: nn.Linear, number: int, scale: float = 1.0) -> torch.Tensor:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    return (network(x) - 1).square().mean() * scale


def test_a_step_is_that_of_adam_w_on_the_clipped_gradient():
    ours, plain = layer(), layer()
    descend = Descent(adam_w(ours, 9.0, weight_decay=0.0), CPU, clip=0.1)
    optimizer = torch.optim.AdamW(plain.parameters(), 0.01, weight_decay=0.0)
    for number in range(5):
        norm = descend(loss_of(ours, number), 0.01)
        optimizer.zero_grad()
        loss_of(plain, number).backward()
        expected = nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
        optimizer.step()
        assert norm == pytest.approx(float(expected))
    torch.testing.assert_close(ours.weight, plain.weight)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_leaves_weights_moments_and_their_count_alone(bad):
    whole, broken = layer(), layer()
    descents = {each: Descent(adam_w(each, 0.01, weight_decay=0.1), CPU) for each in (whole, broken)}
    for number in range(4):
        if number == 2:
            assert not descents[broken](loss_of(broken, 99, bad), 0.01).isfinite()
        for each, descend in descents.items():
            descend(loss_of(each, number), 0.01)
    assert torch.equal(whole.weight, broken.weight)
    states = [descents[each].state_dict()["state"][0] for each in (whole, broken)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_only_what_multiplies_decays():
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    optimizer = adam_w(towers, 1.0, weight_decay=0.3)
    before = copy.deepcopy(dict(towers.named_parameters()))
    for weights in towers.parameters():
        weights.grad = torch.zeros_like(weights)
    optimizer.step()
    still = {name for name, weights in towers.named_parameters() if torch.equal(weights, before[name])}
    zero = {name for name, weights in before.items() if not weights.any()}
    assert {name for name in before if name.endswith(("bias", "logit_scale")) or ".norm." in name} <= still
    assert {"query_encoder.aggregate.squeeze", "query_encoder.backbone.layers.0.weight"} <= set(before) - still
    assert still - zero == {name for name, weights in before.items() if weights.ndim < 2 or "bias" in name} - zero


def test_in_half_precision_an_overflow_shrinks_the_scale_and_takes_no_step(monkeypatch):
    monkeypatch.setattr(ucvgl.training.descent, "in_half", lambda device: True)
    network = layer()
    descend = Descent(adam_w(network, 0.01, weight_decay=0.0), CPU)
    before = network.weight.detach().clone()
    assert descend(loss_of(network, 0, 1e35), 0.01) == 0
    assert torch.equal(network.weight, before)
    scale = descend.state_dict()["scaler"]["scale"]
    assert scale == 2.0**15
    assert descend(loss_of(network, 0), 0.01) > 0
    assert not torch.equal(network.weight, before)
    again = Descent(adam_w(layer(), 0.01, weight_decay=0.0), CPU)
    again.load_state_dict(descend.state_dict())
    assert again.state_dict()["scaler"]["scale"] == scale


def test_a_state_of_a_card_without_scale_goes_on_where_there_is_one(monkeypatch):
    plain = Descent(adam_w(layer(), 0.01, weight_decay=0.0), CPU).state_dict()
    monkeypatch.setattr(ucvgl.training.descent, "in_half", lambda device: True)
    half = Descent(adam_w(layer(), 0.01, weight_decay=0.0), CPU)
    half.load_state_dict(plain)
    assert half.state_dict()["scaler"]["scale"] == 2.0**16
