"""On a card a number that the host reads makes both wait for each other: a step of training reads none."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.three_trainings import adapter, cyclegan, towers, world  # noqa: F401 - a fixture, asked for by name
from ucvgl.retrieval.precision import bfloat16_is_fast
from ucvgl.training import fit_adapter, fit_cyclegan, fit_towers

READS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique")
"""Operators that give the host a number, or whose result has a size that the host must be told."""


class Reads(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.counted: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.counted.update([name] if name in READS else [])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("fit", "program"), [(towers, fit_towers), (cyclegan, fit_cyclegan), (adapter, fit_adapter)])
def test_a_step_reads_nothing_back_from_the_device(world, monkeypatch, fit, program):  # noqa: F811
    reads, done = Reads(), []
    bfloat16_is_fast("cpu")  # tried out once in a process

    def run_steps(step, steps, **_):
        for index in range(steps):
            with reads:
                done.append(step(index))
        with reads:
            float(next(iter(done[-1].values())))

    monkeypatch.setattr(program, "run_steps", run_steps)
    fit(world, {"seed": 0, "device": torch.device("cpu"), "log": lambda **_: None})
    assert len(done) >= 4
    assert reads.counted == {"_local_scalar_dense": 1}, "and the one that is made here, to see that it is counted"
