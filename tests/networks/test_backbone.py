import pytest
import torch

from ucvgl.networks.backbone import backbone
from ucvgl.settings.experiment import Model


def test_the_strided_net_has_an_eighth_of_the_resolution():
    net = backbone(Model(channels=24))
    assert net(torch.zeros(2, 3, 48, 192)).shape == (2, 24, 6, 24)


def test_the_strided_net_sees_every_image_for_itself():
    torch.manual_seed(0)
    net, images = backbone(Model(channels=8)).train(), torch.randn(4, 3, 16, 32)
    torch.testing.assert_close(net(images)[:2], net(images[:2]))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet10t", (1, 512, 2, 3)),
        ("vit_tiny_patch16_224", (1, 192, 4, 6)),  # tokens
        ("swin_tiny_patch4_window7_224", (1, 768, 2, 3)),  # channels last
    ],
)
def test_timm_models_of_any_kind_give_a_feature_map_of_any_size(name, shape):
    with torch.no_grad():
        assert backbone(Model(backbone=name)).eval()(torch.zeros(1, 3, 64, 96)).shape == shape


def test_an_unknown_backbone_is_refused_with_names_that_look_alike():
    with pytest.raises(ValueError, match=r"'resnet51' is no timm model; some that look alike: .*resnet50"):
        backbone(Model(backbone="resnet51"))


def test_a_checkpoint_must_exist_and_fit(tmp_path):
    path = tmp_path / "weights.pt"
    with pytest.raises(ValueError, match=r"weights\.pt is no file"):
        backbone(Model(channels=8, checkpoint=str(path)))
    torch.save({"first.weight": torch.zeros(1)}, path)
    with pytest.raises(
        ValueError, match=r"is not of this model\.backbone: .* weights are missing .*, the first is layers\.0\.weight"
    ):
        backbone(Model(channels=8, checkpoint=str(path)))
    trained = backbone(Model(channels=8))
    torch.save(trained.state_dict(), path)
    loaded = backbone(Model(channels=8, checkpoint=str(path)))
    for name, weights in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weights)


@pytest.mark.parametrize("card", [True, False])
def test_timm_builds_norms_of_few_digits_only_where_there_is_a_graphics_card(monkeypatch, card):
    import timm  # takes seconds, which every process that only collects this test would spend
    from timm.layers import is_fast_norm

    built, create = [], timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *of, **how: [built.append(is_fast_norm()), create(*of, **how)][1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    backbone(Model(backbone="convnext_atto"))
    assert set(built) == {card}
    assert not is_fast_norm()  # timm's switch is everybody's
