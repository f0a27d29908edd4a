"""On a card a number that the host reads makes both wait for each other: a step of training reads none."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ucvgl.atomic import write_array
from ucvgl.images.image_store import write_shard
from ucvgl.networks.adapter import Adapter, save_adapter
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.pseudo_labels.e_step import plain
from ucvgl.retrieval.precision import bfloat16_is_fast
from ucvgl.settings.experiment import Adaptation, Contrast, Model, Translation
from ucvgl.training import fit_adapter, fit_cyclegan, fit_towers
from ucvgl.training.batches import Pairs

PLACES = 16
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


@pytest.fixture
def world(tmp_path):
    random = np.random.default_rng(0)
    ids = [f"place{number:02d}" for number in range(PLACES)]
    for name, size in (("queries", (16, 64)), ("references", (16, 16))):
        write_shard(tmp_path / name, 0, ids, random.integers(0, 256, (PLACES, *size, 3), dtype=np.uint8))
    for view in ("query", "reference"):
        write_array(tmp_path / f"{view}.npy", random.standard_normal((PLACES, 8)).astype(np.float32))
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), tmp_path / "model.pt")
    save_adapter(Adapter(8), tmp_path / "adapter.pt")
    return tmp_path


def towers(world, common):
    rows, stores = np.arange(PLACES), (world / "queries", world / "references")
    labelled = {"weight": np.ones(PLACES), "labelled": rows < 12, "spared": rows[:, None]}
    pairs = Pairs("label", ("query", "reference"), stores, rows, rows, **labelled)
    fit_towers.fit_towers(world, world, [pairs], name="fit", epochs=2, settings=Contrast(batch=8), **common)


def cyclegan(world, common):
    settings = Translation(steps=6, batch=30, channels=4, blocks=1)  # the pools are full after the second step
    fit_cyclegan.fit_cyclegan(world, world / "references", world / "references", settings=settings, **common)


def adapter(world, common):
    settings = Adaptation(batch=8, steps_per_round=4)
    features = tuple([world / f"{view}.npy"] for view in ("query", "reference"))
    labels = plain(np.arange(PLACES), np.arange(PLACES))
    fit_adapter.fit_adapter(world, world, features, labels, name="fit", settings=settings, **common)


@pytest.mark.parametrize(("fit", "program"), [(towers, fit_towers), (cyclegan, fit_cyclegan), (adapter, fit_adapter)])
def test_a_step_reads_nothing_back_from_the_device(world, monkeypatch, fit, program):
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
