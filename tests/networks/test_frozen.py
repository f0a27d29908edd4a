from dataclasses import replace

import numpy as np
import pytest
import torch

from ucvgl.networks.frozen import FROZEN, Frozen, frozen_from, frozen_model, frozen_size, load_frozen, save_frozen
from ucvgl.networks.saved import load_saved
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers
from ucvgl.settings.experiment import Adaptation, Model

SIZE = 32
VIT = Model(backbone="vit_tiny_patch16_224", pretrained=False)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def run(tmp_path):
    """Towers as a run of ours leaves them."""
    torch.manual_seed(0)
    towers = TwoTowers(Model(channels=16, safa_heads=2), (SIZE, SIZE), (SIZE, SIZE))
    save_towers(towers, tmp_path / "model.pt")
    return tmp_path / "model.pt", load_towers(tmp_path / "model.pt")


def test_the_own_descriptor_of_a_run_is_that_of_its_tile_encoder_for_both_views(run, images):
    path, towers = run
    frozen = frozen_model(Adaptation(source=str(path)), Model())
    expected = embed(towers, images, "reference")
    for view in ("query", "reference"):
        np.testing.assert_allclose(embed(frozen, images, view), expected, atol=1e-6)


def test_no_image_has_no_descriptor_of_the_same_width(run, images):
    """A shard of which no image could be used is a part as any other."""
    frozen = frozen_model(Adaptation(source=str(run[0])), Model())
    for encoders in (frozen, run[1]):
        width = embed(encoders, images, "reference", turns=2).shape[1]
        assert embed(encoders, images[:0], "reference", turns=2).shape == (0, width)


@pytest.mark.parametrize(("aggregation", "size"), [("safa", (SIZE, SIZE)), ("map", (SIZE, SIZE)), ("mean", None)])
def test_only_means_are_tied_to_no_size(tmp_path, aggregation, size):
    towers = TwoTowers(Model(channels=16, safa_heads=2, aggregation=aggregation), (SIZE, SIZE), (SIZE, SIZE))
    save_towers(towers, tmp_path / "model.pt")
    assert frozen_model(Adaptation(source=str(tmp_path / "model.pt")), Model()).size("reference") == size


def test_two_towers_each_see_their_own_view(run, images):
    path, towers = run
    frozen = frozen_model(Adaptation(source=str(path), towers="two"), Model())
    for view in ("query", "reference"):
        np.testing.assert_allclose(embed(frozen, images, view), embed(towers, images, view), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "dimension"),
    [
        ({"pooling": "own"}, 192),
        ({"pooling": "cls", "layer": 3}, 192),
        ({"pooling": "mean", "layer": -2}, 192),
        ({"pooling": "gem", "layer": 5}, 192),
    ],
)
def test_a_saved_frozen_model_describes_as_before_without_any_other_file(settings, dimension, images, tmp_path):
    torch.manual_seed(0)
    frozen = Frozen(Adaptation(**settings), VIT, None)
    save_frozen(frozen, tmp_path / FROZEN)
    loaded = load_frozen(tmp_path / FROZEN)
    described = embed(loaded, images, "query")
    assert described.shape == (3, dimension)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(described, embed(frozen, images, "query"), atol=2e-3)  # bfloat16, laid out otherwise
    assert not any(weights.requires_grad for weights in loaded.parameters())
    assert frozen_size(tmp_path / FROZEN) > 5_000_000


def test_a_convolution_net_has_stages(images):
    convnext = Model(backbone="convnext_atto", pretrained=False)
    frozen = Frozen(Adaptation(pooling="gem", layer=2), convnext, None)
    assert embed(frozen, images, "query").shape == (3, 160)


def test_a_frozen_model_of_an_earlier_version_is_read_where_what_it_had_is_what_all_have_now(tmp_path):
    save_frozen(Frozen(Adaptation(pooling="gem"), VIT, None), tmp_path / FROZEN)
    saved = load_saved(tmp_path / FROZEN)
    saved["frozen"][0].update(facet="token", mutual=True, gem_power=2.0)
    assert frozen_from(saved).adaptation == Adaptation(pooling="gem")
    saved["frozen"][0].update(facet="value")
    with pytest.raises(ValueError, match=r"^adaptation\.facet: 'value', but it is 'token' for good, and no setting"):
        frozen_from(saved)


@pytest.mark.parametrize(
    ("backbone", "layer", "parts"),
    [("vit_tiny_patch16_224", 8, (192,) * 9), ("efficientnet_lite0", -1, (40,) * 3 + (112,) * 3 + (320,) * 3)],
)
def test_moments_are_of_three_layers_and_say_where_each_part_ends(backbone, layer, parts):
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    frozen = Frozen(Adaptation(pooling="moments", layer=layer), Model(backbone=backbone, pretrained=False), None)
    described = embed(frozen, images, "query")
    assert frozen.encoder("query").parts == parts and described.shape == (3, sum(parts))
    lengths = [np.linalg.norm(part, axis=1) for part in np.split(described, np.cumsum(parts)[:-1], axis=1)]
    np.testing.assert_allclose(lengths, 1 / 3, atol=2e-3)  # bfloat16


def test_a_descriptor_averaged_over_four_turns_is_that_of_the_turned_image(run, images):
    frozen = frozen_model(Adaptation(source=str(run[0]), averaged_turns=4), Model())
    turned = np.ascontiguousarray(np.rot90(images, axes=(1, 2)))
    described = embed(frozen, images, "reference")
    np.testing.assert_allclose(embed(frozen, turned, "reference"), described, atol=1e-5)
    once = frozen_model(Adaptation(source=str(run[0])), Model())
    looks = [embed(once, np.ascontiguousarray(np.rot90(images, k, axes=(1, 2))), "reference") for k in range(4)]
    mean = np.mean(looks, axis=0)
    np.testing.assert_allclose(described, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


def test_a_layer_that_the_network_does_not_have_is_refused():
    with pytest.raises(ValueError, match="'vit_tiny_patch16_224' has 12 layers, there is no 12"):
        Frozen(Adaptation(layer=12), VIT, None)


def test_layers_are_those_that_a_network_gives_and_not_its_blocks(images):
    """An EfficientNet has seven blocks and gives five layers."""
    efficient = Model(backbone="efficientnet_lite0", pretrained=False)
    assert embed(Frozen(Adaptation(pooling="mean", layer=4), efficient, None), images, "query").shape == (3, 320)
    with pytest.raises(ValueError, match="'efficientnet_lite0' has 5 layers, there is no 5"):
        Frozen(Adaptation(pooling="mean", layer=5), efficient, None)


def test_something_must_have_been_trained():
    with pytest.raises(ValueError, match="^adaptation.source: there is no trained network to freeze"):
        frozen_model(Adaptation(), Model())


def test_a_network_without_class_token_has_no_cls_pooling():
    with pytest.raises(ValueError, match="^adaptation.pooling: .* has no class token"):
        Frozen(Adaptation(pooling="cls"), replace(VIT, backbone="convnext_atto"), None)
