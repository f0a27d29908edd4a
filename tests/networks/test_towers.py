import math
import resource

import numpy as np
import pytest
import torch

from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.saved import load_saved
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers, standardised, turned
from ucvgl.projection.birdseye import BirdsEye
from ucvgl.settings.experiment import Model

SMALL = Model(channels=16, safa_heads=2)


def towers_of(settings: Model = SMALL, seed: int = 0) -> TwoTowers:
    torch.manual_seed(seed)
    return TwoTowers(settings, (16, 64), (16, 16), temperature=0.1)


def images(n: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_descriptors_have_unit_norm_and_the_length_of_all_heads():
    towers = towers_of()
    for view, size in (("query", (16, 64)), ("reference", (16, 16))):
        vectors = embed(towers, images(5, *size), view)
        assert vectors.shape == (5, towers.encoder(view).dimension) == (5, 32)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embed(towers, images(0, 16, 64), "query", turns=3).shape == (0, 96)


def test_each_view_has_weights_of_its_own_unless_shared():
    towers = towers_of()
    own = {id(weights) for weights in towers.query_encoder.parameters()}
    assert own.isdisjoint(id(weights) for weights in towers.reference_encoder.parameters())
    shared = TwoTowers(Model(channels=16, shared=True), (16, 16), (16, 16))
    assert shared.query_encoder is shared.reference_encoder
    with pytest.raises(ValueError, match=r"one image size for both views, not \(16, 64\) and \(16, 16\)"):
        towers_of(Model(channels=16, shared=True))
    assert towers_of(Model(channels=16, shared=True, aggregation="mean")).encoder("query").dimension == 16


def test_the_temperature_starts_where_the_settings_say():
    assert towers_of().logit_scale.exp().item() == pytest.approx(10)


def test_exposure_and_white_balance_do_not_reach_the_network():
    towers, bright = towers_of().eval(), torch.rand(2, 3, 16, 64)
    cast = bright * torch.tensor([0.5, 0.8, 0.6])[:, None, None] + torch.tensor([0.2, 0.0, 0.1])[:, None, None]
    with torch.no_grad():
        same, other = towers.query_encoder(bright), towers.query_encoder(cast)
    assert (same * other).sum(1).min() > 0.995
    assert (same[0] @ same[1]) < 0.99


@pytest.mark.parametrize("settings", [SMALL, Model(channels=16, aggregation="mean")])
def test_saved_towers_give_equal_descriptors_after_loading(tmp_path, settings):
    towers = towers_of(settings)
    save_towers(towers, tmp_path / "model.pt")
    torch.manual_seed(99)
    loaded = load_towers(tmp_path / "model.pt")
    for view, size in (("query", (16, 64)), ("reference", (16, 16))):
        before, after = (embed(each, images(3, *size), view) for each in (towers, loaded))
        np.testing.assert_array_equal(before, after)
    assert loaded.logit_scale.item() == towers.logit_scale.item()
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_embedding_does_not_depend_on_the_batch():
    towers, panoramas = towers_of(), images(5, 16, 64)
    np.testing.assert_allclose(embed(towers, panoramas, "query", batch=2), embed(towers, panoramas, "query"), atol=1e-2)


def test_descriptors_from_several_turns_compare_by_the_mean_over_joint_turns():
    towers = towers_of()
    panoramas, tiles = images(3, 16, 64, seed=1), images(4, 16, 16, seed=2)
    together = embed(towers, panoramas, "query", turns=4) @ embed(towers, tiles, "reference", turns=4).T
    separate = [
        embed(towers, np.roll(panoramas, -16 * turn, axis=2), "query")
        @ embed(towers, np.ascontiguousarray(np.rot90(tiles, turn, (1, 2))), "reference").T
        for turn in range(4)
    ]
    np.testing.assert_allclose(together, np.mean(separate, axis=0), atol=1e-2)
    assert np.abs(np.mean(separate, axis=0) - separate[0]).max() > 0.02


def test_both_views_are_turned_alike():
    panorama = np.kron(images(1, 4, 16, seed=3)[0], np.ones((8, 8, 1), np.uint8))
    project = BirdsEye(24, 32, 128, fov_deg=150.0)
    tile = torch.from_numpy(project(panorama)).permute(2, 0, 1)[None].float()
    for quarters in range(4):
        view = turned(torch.from_numpy(panorama).permute(2, 0, 1)[None].float(), "query", quarters)
        bev = project(view[0].permute(1, 2, 0).byte().contiguous().numpy()).astype(float)
        expected = turned(tile, "reference", quarters)[0].permute(1, 2, 0).numpy()
        assert np.abs(bev - expected).mean() < 2
        assert math.isclose(bev.mean(), expected.mean(), abs_tol=1)


@pytest.mark.parametrize(
    "other",
    [
        {"ground": {"share": 0.4, "bev": [torch.zeros(9), torch.zeros(9, 9)], "tile": [torch.zeros(9)] * 2}},
        {"ground": {"share": 7.0, "bev": [torch.zeros(576), torch.zeros(576, 576)]}},
        {"towers": ({"a_later_setting": 1}, (16, 64), (16, 16))},
        {"state": {}},
        {"towers": None},
    ],
)
def test_a_file_of_something_else_is_named_and_not_taken_for_encoders(other, tmp_path):
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), tmp_path / "model.pt")
    saved = load_saved(tmp_path / "model.pt") | other
    for content in (saved, torch.zeros(3), None):
        torch.save(content, tmp_path / "other.pt")
        for load in (load_towers, load_encoders):
            with pytest.raises(ValueError, match=r"other.pt does not hold the encoders of a run \(.+\); name the"):
                load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (({"channels": 100_000, "safa_heads": 100_000}, (16, 64), (16, 16)), "it would have .* weights, and there are"),
        (({}, (4000, 8000), (16, 16)), "it would have .* weights, and there are less"),
        (({"aggregation": "mean"}, (30_000, 30_000), (16, 16)), "its images would have 900,000,000 pixels"),
    ],
)
def test_a_file_that_claims_larger_encoders_than_it_holds_fills_no_memory(other, why, tmp_path):
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), tmp_path / "model.pt")
    saved = load_saved(tmp_path / "model.pt")
    settings, *sizes = other
    torch.save(saved | {"towers": (saved["towers"][0] | settings, *sizes)}, tmp_path / "model.pt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=rf"model.pt does not hold the encoders of a run \({why}"):
        load_towers(tmp_path / "model.pt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"


def test_images_are_standardised_over_what_they_show():
    """A photo beside a black frame is standardised as it is alone."""
    photo = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    framed = torch.zeros(2, 3, 8, 20)
    framed[..., :8] = photo
    alone = (photo - photo.mean((2, 3), keepdim=True)) / (photo.std((2, 3), keepdim=True) + 1e-2)
    assert torch.allclose(standardised(framed)[..., :8], alone, atol=1e-5)
    assert not standardised(framed)[..., 8:].any() and not standardised(torch.zeros(1, 3, 4, 4)).any()
