"""One worker or several, all at once or part by part: the same training."""

import pytest
import torch

from tests.training.one_worker import BFLOAT16, prepare, train
from tests.training.side_by_side import run_side_by_side

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By number of workers: per case, the losses of all steps and the weights."""
    folder = tmp_path_factory.mktemp("trained")
    prepare(folder)
    for size in (1, 2, 3):
        run_side_by_side(train, size, folder / f"{size} workers")
    return {size: torch.load(folder / f"{size} workers" / "0.pt") for size in (1, 2, 3)}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("case", ["towers, 0 rows at once", "towers, 2 rows at once"])
def test_workers_and_parts_change_neither_the_losses_nor_the_weights(trained, workers, case):
    losses, weights = trained[1]["towers, 0 rows at once"]
    assert len(losses) == 9
    assert max(losses) - min(losses) > 0.1, "nothing was learned, so nothing is compared"
    found, found_weights = trained[workers][case]
    assert found == pytest.approx(losses, rel=5e-3)
    assert apart(found_weights, weights) < 5e-4


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_in_few_digits_workers_change_no_more_than_the_digits_do(trained, workers):
    exact, weights = trained[1]["towers, 0 rows at once"]
    losses, alone = trained[1][BFLOAT16]
    found, found_weights = trained[workers][BFLOAT16]
    assert losses != pytest.approx(exact, rel=1e-3), "it was trained in float32"
    assert found == pytest.approx(losses, rel=2e-2)
    assert apart(found_weights, alone) < apart(alone, weights) < 2e-3


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_change_neither_the_losses_of_an_adapter_nor_its_weights(trained, workers):
    losses, weights = trained[1]["adapter"]
    assert len(losses) == 9 and max(losses) - min(losses) > 0.1
    assert trained[workers]["adapter"][0] == pytest.approx(losses, rel=1e-3)
    assert apart(trained[workers]["adapter"][1], weights) < 5e-4


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_change_no_cyclegan(trained, workers):
    _, weights = trained[1]["cyclegan"]
    assert apart(trained[workers]["cyclegan"][1], weights) < 5e-4


def apart(found, expected):
    """Distance of two sets of weights, as a share of their length."""
    distance = sum(float((found[name] - weights).double().square().sum()) for name, weights in expected.items())
    return (distance / sum(float(weights.double().square().sum()) for weights in expected.values())) ** 0.5
