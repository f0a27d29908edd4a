import numpy as np
import torch

from ucvgl.adapt.freeze import freeze
from ucvgl.config import Adaptation, Model
from ucvgl.data.image_store import write_shard
from ucvgl.model.frozen import FROZEN, load_frozen
from ucvgl.model.towers import TwoTowers, embed, save_towers

SIZE = 16


def test_centres_are_fitted_to_the_patches_of_both_views_and_kept_with_the_model(tmp_path):
    torch.manual_seed(0)
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (SIZE, SIZE), (SIZE, SIZE)), tmp_path / "model.pt")
    draw = np.random.default_rng(0)
    stores = []
    for view in ("bev", "references"):
        images = draw.integers(0, 256, (12, SIZE, SIZE, 3), np.uint8)
        write_shard(tmp_path / view, 0, [str(row) for row in range(12)], images)
        stores.append((tmp_path / view, "reference"))
    settings = Adaptation(source=str(tmp_path / "model.pt"), pooling="vlad", vlad_centres=3)
    made = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        freeze(tmp_path / name, settings, Model(), stores, seed=0, device=torch.device("cpu"), log=lambda **_: None)
        made.append(load_frozen(tmp_path / name / FROZEN))
    assert made[0].centres.shape == (3, 16)
    assert torch.equal(made[0].centres, made[1].centres)
    assert not torch.allclose(made[0].centres[0], made[0].centres[1], atol=0.01)
    assert embed(made[0], draw.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8), "query").shape == (2, 48)
