import numpy as np
import pytest
import torch

from ucvgl.images.image_store import write_shard
from ucvgl.networks.frozen import FROZEN, load_frozen
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.settings.experiment import Adaptation, Model
from ucvgl.training.freeze import freeze

SIZE = 16


@pytest.fixture
def stores(tmp_path):
    """A run's encoders, and a store of each view."""
    torch.manual_seed(0)
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (SIZE, SIZE), (SIZE, SIZE)), tmp_path / "model.pt")
    draw = np.random.default_rng(0)
    for view in ("bev", "references"):
        images = draw.integers(0, 256, (12, SIZE, SIZE, 3), np.uint8)
        write_shard(tmp_path / view, 0, [str(row) for row in range(12)], images)
    return [(tmp_path / view, "reference") for view in ("bev", "references")]


def frozen_by(folder, stores, **settings):
    folder.mkdir(exist_ok=True)
    chosen = Adaptation(source=str(stores[0][0].with_name("model.pt")), **settings)
    freeze(folder, chosen, Model(), stores, seed=0, device=torch.device("cpu"), log=lambda **_: None)
    return load_frozen(folder / FROZEN)


def test_images_of_another_size_than_the_encoders_were_made_for_are_refused(stores, tmp_path):
    write_shard(tmp_path / "small", 0, ["0"], np.zeros((1, SIZE, SIZE // 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"its encoder sees images of 16x16 pixels, but those of small have 16x8; set"):
        frozen_by(tmp_path / "wrong", [(tmp_path / "small", "reference"), stores[1]])
    frozen_by(tmp_path / "right", [(tmp_path / "small", "reference"), stores[1]], pooling="mean")
