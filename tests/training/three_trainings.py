"""The three trainings, small: towers, CycleGAN and adapter, on images and vectors that say nothing."""

import numpy as np
import pytest

from ucvgl.atomic import write_array
from ucvgl.images.image_store import write_shard
from ucvgl.networks.adapter import Adapter, save_adapter
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.pseudo_labels.e_step import plain
from ucvgl.settings.experiment import Adaptation, Contrast, Model, Translation
from ucvgl.training import fit_adapter, fit_cyclegan, fit_towers
from ucvgl.training.batches import Pairs

PLACES = 16


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
