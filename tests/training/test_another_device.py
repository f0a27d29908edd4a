"""A training goes on on another kind of device than its checkpoint was written on: nothing stays behind.

The device `meta` stands for a card. It computes shapes and no numbers, and refuses to be mixed with the processor.
"""

import pytest
import torch

from tests.training.three_trainings import adapter, cyclegan, towers, world  # noqa: F401 - a fixture, asked for by name
from ucvgl.training import fit_adapter, fit_cyclegan, fit_towers
from ucvgl.training.loop import run_steps

KILLED_AT = 2
AT_ONCE = {"log_seconds": 0.0, "checkpoint_seconds": 0.0, "checkpoint_share": 9.0}


class Killed(Exception):
    pass


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
@pytest.mark.parametrize(("fit", "program"), [(towers, fit_towers), (cyclegan, fit_cyclegan), (adapter, fit_adapter)])
def test_a_training_goes_on_on_another_kind_of_device(world, monkeypatch, fit, program):  # noqa: F811
    began: list[tuple[str, int]] = []

    def train(kind: str, end: int):
        def run(step, steps, **how):
            def until_killed(index):
                began.append((kind, index))
                if index == end:
                    raise Killed
                step(index)
                return {}  # a number on this device cannot be read

            run_steps(until_killed, steps, **how | AT_ONCE)

        monkeypatch.setattr(program, "run_steps", run)
        with pytest.raises(Killed):
            fit(world, {"seed": 0, "device": torch.device(kind), "log": lambda **_: None})

    train("cpu", KILLED_AT)
    monkeypatch.setattr(program, "mixed_precision", lambda device: torch.autocast("cpu", enabled=False), raising=False)
    train("meta", KILLED_AT + 1)
    assert began == [("cpu", 0), ("cpu", 1), ("cpu", 2), ("meta", 2), ("meta", 3)]
