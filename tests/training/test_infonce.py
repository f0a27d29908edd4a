import math

import pytest
import torch
import torch.nn.functional as F

from ucvgl.training.infonce import bound_, info_nce


def naive(queries, references, scale, smoothing, labelled):
    """Both directions, one row and one logit at a time."""
    n, total = len(queries), 0.0
    for own, other in ((queries, references), (references, queries)):
        for i in range(n):
            logits = [math.exp(scale) * sum(a * b for a, b in zip(own[i], other[j], strict=True)) for j in range(n)]
            target = i
            if labelled is not None:
                logits.append(0.0)
                target = i if labelled[i] else n
            log_sum = math.log(sum(math.exp(logit) for logit in logits))
            for j, logit in enumerate(logits):
                share = smoothing / len(logits) + (1 - smoothing if j == target else 0.0)
                total -= share * (logit - log_sum)
    return total / (2 * n)


def descriptors(n, d, seed):
    return F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("labelled", [None, [True, False, True, True, False], [False] * 5])
def test_the_loss_is_that_of_a_loop_over_rows_and_logits(smoothing, labelled):
    queries, references, scale = descriptors(5, 3, 0), descriptors(5, 3, 1), torch.tensor(1.2)
    known = None if labelled is None else torch.tensor(labelled)
    found = info_nce(queries, references, scale, label_smoothing=smoothing, labelled=known)
    expected = naive(queries.tolist(), references.tolist(), 1.2, smoothing, labelled)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_both_views_play_the_same_part():
    queries, references, scale = descriptors(6, 4, 0), descriptors(6, 4, 1), torch.tensor(2.0)
    one, other = info_nce(queries, references, scale), info_nce(references, queries, scale)
    assert one.item() == pytest.approx(other.item(), abs=1e-12)


def test_the_temperature_and_both_views_learn():
    queries, references = descriptors(6, 4, 0).requires_grad_(), descriptors(6, 4, 1).requires_grad_()
    scale = torch.tensor(2.0, requires_grad=True)
    info_nce(queries, references, scale, label_smoothing=0.1).backward()
    for learned in (queries, references, scale):
        assert learned.grad is not None
        assert learned.grad.abs().max() > 1e-3


def test_perfect_descriptors_lose_least_and_a_sharper_temperature_helps_them():
    queries = torch.eye(4)
    warm, sharp = (info_nce(queries, queries, torch.tensor(scale)).item() for scale in (1.0, 3.0))
    assert sharp < warm < info_nce(queries, queries.roll(1, 0), torch.tensor(1.0)).item()


def test_rows_count_by_their_weight():
    queries, references, scale = descriptors(5, 3, 0), descriptors(5, 3, 1), torch.tensor(1.2)
    plain = info_nce(queries, references, scale, label_smoothing=0.1)
    alike = info_nce(queries, references, scale, label_smoothing=0.1, weight=torch.full((5,), 0.3))
    assert alike.item() == pytest.approx(plain.item(), abs=1e-6)
    logits = scale.exp() * queries @ references.T
    losses = [F.cross_entropy(each[2:3], torch.tensor([2])).item() for each in (logits, logits.T)]
    only = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    assert info_nce(queries, references, scale, weight=only).item() == pytest.approx(sum(losses) / 2, abs=1e-6)


def test_a_temperature_gets_no_colder_than_a_hundredth():
    scales = [torch.nn.Parameter(torch.tensor(math.log(scale))) for scale in (14.0, 99.0, 101.0, 1e9)]
    for scale in scales:
        bound_(scale)
    assert [round(scale.exp().item()) for scale in scales] == [14, 99, 100, 100]
