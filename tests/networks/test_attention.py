import numpy as np
import torch

from ucvgl.networks.attention import attention
from ucvgl.networks.towers import TwoTowers, standardised
from ucvgl.settings.experiment import Model


def test_attention_is_what_each_position_adds_to_the_descriptor():
    torch.manual_seed(0)
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 64, 3), dtype=np.uint8)
    found = attention(towers, images, "query")
    assert found is not None and found.shape == (3, 2, 8)
    np.testing.assert_allclose(found.max((1, 2)), 1)

    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    encoder = towers.query_encoder
    with torch.inference_mode():
        features = encoder.backbone(standardised(batch)).flatten(2)
        maps = encoder.aggregate.maps(encoder.backbone(standardised(batch)))
        added = torch.einsum("nkp,ncp->npkc", maps, features).flatten(2).norm(dim=2)
    np.testing.assert_allclose(found.reshape(3, -1), added / added.amax(1, keepdim=True), rtol=1e-4)


def test_without_safa_there_is_none():
    towers = TwoTowers(Model(channels=16, aggregation="mean"), (16, 64), (16, 16))
    assert attention(towers, np.zeros((1, 16, 16, 3), np.uint8), "reference") is None
