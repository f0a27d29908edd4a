"""Every family is read into timm's network and must give what its own library gives."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from ucvgl.networks.checkpoint import load_checkpoint, read_weights

VIT = {"embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0}
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32}
CONVNEXT = {"depths": (1, 2, 1, 1), "dims": (4, 8, 12, 16), "num_classes": 0}


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """They take seconds to load, which every process that only collects these tests would spend."""
    global timm, torchvision, transformers
    import timm
    import torchvision
    import transformers


def shaken(network):
    """Every weight is a number of its own, so that one at the wrong place is seen."""
    torch.manual_seed(1)
    for weights in network.state_dict().values():
        if weights.is_floating_point():
            weights.copy_(weights + 0.2 * torch.rand_like(weights))
    return network.eval()


def dinov2(**more):
    settings = transformers.Dinov2Config(**TINY, patch_size=8, **more)
    theirs = transformers.Dinov2Model(settings)
    ours = timm.create_model("vit_small_patch14_dinov2", img_size=32, patch_size=8, **VIT)
    return theirs, ours, lambda net, x: net(x).last_hidden_state


def registers():
    settings = transformers.Dinov2WithRegistersConfig(**TINY, patch_size=8, num_register_tokens=3)
    theirs = transformers.Dinov2WithRegistersModel(settings)
    how = {"img_size": 32, "patch_size": 8, "reg_tokens": 3, **VIT}
    return theirs, timm.create_model("vit_small_patch14_reg4_dinov2", **how), lambda net, x: net(x).last_hidden_state


def vit():
    theirs = transformers.ViTModel(transformers.ViTConfig(**TINY, patch_size=8, intermediate_size=64))
    how = {"img_size": 32, "patch_size": 8, "norm_layer": partial(torch.nn.LayerNorm, eps=1e-12), **VIT}
    ours = timm.create_model("vit_tiny_patch16_224", **how)
    return theirs, ours, lambda net, x: net(x).last_hidden_state


def clip():
    settings = transformers.CLIPVisionConfig(**TINY, patch_size=8, intermediate_size=64)
    ours = timm.create_model("vit_base_patch16_clip_quickgelu_224", img_size=32, patch_size=8, **VIT)

    def described(net, x):
        return net.post_layernorm(net(x).last_hidden_state)

    return transformers.CLIPVisionModel(settings), ours, described


def siglip():
    settings = transformers.SiglipVisionConfig(**TINY, patch_size=8, intermediate_size=64)
    how = {"img_size": 32, "patch_size": 8, "global_pool": "", **VIT}
    ours = timm.create_model("vit_base_patch16_siglip_224", act_layer="gelu_tanh", **how)
    return transformers.SiglipVisionModel(settings), ours, lambda net, x: net(x).last_hidden_state


def convnext():
    settings = transformers.ConvNextConfig(hidden_sizes=list(CONVNEXT["dims"]), depths=list(CONVNEXT["depths"]))
    ours = timm.create_model("convnext_atto", use_grn=False, conv_mlp=False, **CONVNEXT)
    return transformers.ConvNextModel(settings), ours, lambda net, x: net(x).last_hidden_state


def torchvision_vit():
    theirs = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 64)
    ours = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **VIT)

    def described(net, x):
        return net.encoder(torch.cat([net.class_token.expand(len(x), -1, -1), net._process_input(x)], 1))

    return theirs, ours, described


def torchvision_convnext():
    block = torchvision.models.convnext.CNBlockConfig
    sizes = [block(*some) for some in ((4, 8, 1), (8, 12, 2), (12, 16, 1), (16, None, 1))]
    ours = timm.create_model("convnext_atto", use_grn=False, conv_mlp=False, **CONVNEXT)
    return torchvision.models.ConvNeXt(sizes), ours, lambda net, x: net.features(x)


def torchvision_resnet():
    return torchvision.models.resnet18(), timm.create_model("resnet18", num_classes=0), resnet_features


def torchvision_efficientnet():
    ours = timm.create_model("efficientnet_b0", num_classes=0)
    return torchvision.models.efficientnet_b0(), ours, lambda net, x: net.features(x)


def resnet_features(net, x):
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(net, name)(x)
    return x


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (dinov2, "a DINOv2 or ViT of Hugging Face"),
        (registers, "a DINOv2 or ViT of Hugging Face"),
        (vit, "a DINOv2 or ViT of Hugging Face"),
        (clip, "a CLIP or SigLIP tower of Hugging Face"),
        (siglip, "a CLIP or SigLIP tower of Hugging Face"),
        (convnext, "a ConvNeXt of Hugging Face"),
        (torchvision_vit, "a ViT of torchvision"),
        (torchvision_convnext, "a ConvNeXt of torchvision"),
        (torchvision_resnet, "timm's or the authors' own"),
        (torchvision_efficientnet, "an EfficientNet of torchvision"),
    ],
)
def test_a_checkpoint_of_another_library_gives_what_that_library_gives(make, family, tmp_path):
    theirs, ours, described = make()
    shaken(theirs)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    files, images = [tmp_path / "weights.pt"], torch.rand(2, 3, 32, 32)
    if hasattr(theirs, "save_pretrained"):  # Hugging Face's files have names of their own
        theirs.save_pretrained(tmp_path)
        files.append(tmp_path / "model.safetensors")
    for file in files:
        network = deepcopy(ours).eval()
        assert load_checkpoint(network, file) == family
        with torch.no_grad():
            found, expected = network.forward_features(images), described(theirs, images)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def wrapped(state):
    return {
        "alone": state,
        "Lightning": {"state_dict": {f"model.backbone.{name}": value for name, value in state.items()}, "epoch": 3},
        "DINO": {"student": {}, "teacher": {f"backbone.{name}": value for name, value in state.items()}},
        "DeepSpeed": {"module": {f"_orig_mod.{name}": value for name, value in state.items()}, "dp_world_size": 8},
        "parallel": {"model": {f"module.{name}": value for name, value in state.items()}},
    }


@pytest.mark.parametrize("how", ["alone", "Lightning", "DINO", "DeepSpeed", "parallel"])
def test_weights_are_found_inside_what_trainings_write(how, tmp_path):
    trained, ours = (timm.create_model("vit_tiny_patch16_224", img_size=32, **VIT) for _ in range(2))
    torch.save(wrapped(shaken(trained).state_dict())[how], tmp_path / "weights.pt")
    load_checkpoint(ours, tmp_path / "weights.pt")
    for name, weights in trained.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weights)


def test_safetensors_are_read(tmp_path):
    save_file({"one": torch.arange(3.0)}, tmp_path / "model.safetensors")
    assert torch.equal(read_weights(tmp_path / "model.safetensors")["one"], torch.arange(3.0))


def test_positions_are_resampled_to_the_size_of_the_images(tmp_path):
    trained, ours = (timm.create_model("vit_tiny_patch16_224", img_size=size, **VIT) for size in (64, 32))
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    load_checkpoint(ours, tmp_path / "weights.pt")
    torch.testing.assert_close(ours.pos_embed[:, 0], trained.pos_embed[:, 0])
    assert ours.pos_embed.shape == (1, 5, 16)


def test_a_file_without_weights_is_told_in_one_sentence_with_its_path(tmp_path):
    torch.save({"weights": torch.zeros(1000)}, tmp_path / "whole.pt")
    files = {
        "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of Git LFS"),
        "cut.pt": ((tmp_path / "whole.pt").read_bytes()[:700], "does not hold weights that can be read"),
        "cut.safetensors": (b"\x80\x00\x00\x00\x00\x00\x00\x00{", "does not hold weights that can be read"),
        "page.pt": (b"<html>not found</html>", "does not hold weights that can be read"),
        "empty.pt": (b"", "does not hold weights that can be read"),
    }
    for name, (data, told) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf"^model\.checkpoint \S*{name} .*{told}") as error:
            read_weights(tmp_path / name)
        assert "\n" not in str(error.value)
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(ValueError, match=r"none\.pt holds no weights"):
        read_weights(tmp_path / "none.pt")


def test_weights_of_another_network_are_refused_with_the_first_that_is_missing(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt is not of this model\.backbone: .* the first is cls_token"):
        load_checkpoint(timm.create_model("vit_tiny_patch16_224", **VIT), tmp_path / "weights.pt")


def test_weights_of_a_deeper_network_or_with_more_in_its_layers_are_refused(tmp_path):
    deep, ours = (timm.create_model("vit_tiny_patch16_224", img_size=32, **{**VIT, "depth": n}) for n in (3, 2))
    torch.save(deep.state_dict(), tmp_path / "deep.pt")
    scaled = timm.create_model("vit_tiny_patch16_224", img_size=32, init_values=0.1, **{**VIT, "depth": 2})
    torch.save(scaled.state_dict(), tmp_path / "scaled.pt")
    torch.save({**ours.state_dict(), "reg_token": torch.zeros(1, 4, 16)}, tmp_path / "registers.pt")
    firsts = {"deep": "blocks.2.norm1.weight", "scaled": "blocks.0.ls1.gamma", "registers": "reg_token"}
    for name, first in firsts.items():
        with pytest.raises(ValueError, match=rf"{name}\.pt is not of .* has no place, the first is {first}"):
            load_checkpoint(ours, tmp_path / f"{name}.pt")
    torch.save({**ours.state_dict(), "mask_token": torch.zeros(1, 1, 16)}, tmp_path / "more.pt")
    load_checkpoint(ours, tmp_path / "more.pt")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    ours = timm.create_model("vit_tiny_patch16_224", img_size=32, **VIT)
    torch.save({**ours.state_dict(), "pos_embed": ours.pos_embed * float("nan")}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt: pos_embed is not finite"):
        load_checkpoint(ours, tmp_path / "weights.pt")


def test_odd_wrappings_end_and_what_is_empty_in_them_is_passed_over(tmp_path):
    itself, weights = {"x": torch.zeros(1)}, {"one": torch.ones(2)}
    itself["model"] = itself
    for content, names in ((itself, {"x"}), ({1: torch.zeros(1), **weights}, {"one"}),
                           ({"state_dict_ema": None, "model": "vit", "params": weights}, {"one"})):  # fmt: skip
        torch.save(content, tmp_path / "weights.pt")
        assert read_weights(tmp_path / "weights.pt").keys() == names


def test_safetensors_are_known_by_what_they_hold(tmp_path):
    save_file({"one": torch.ones(2)}, tmp_path / "weights.pth")
    assert read_weights(tmp_path / "weights.pth").keys() == {"one"}


def test_nobody_is_told_to_run_the_code_in_a_file(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(ValueError, match=r"module\.pt does not .* objects or code of Python in it, which") as told:
        read_weights(tmp_path / "module.pt")
    assert "weights_only" not in str(told.value)


def test_weights_of_whole_numbers_or_of_eight_bits_are_refused(tmp_path):
    ours = timm.create_model("vit_tiny_patch16_224", img_size=32, **VIT)
    for kind, name in ((torch.int8, "int8"), (torch.float8_e4m3fn, "float8_e4m3fn"), (torch.complex64, "complex64")):
        save_file({**ours.state_dict(), "norm.weight": ours.norm.weight.detach().to(kind)}, tmp_path / "weights.pt")
        with pytest.raises(ValueError, match=rf"weights\.pt: norm.weight is of {name}, as in quantized checkpoints"):
            load_checkpoint(ours, tmp_path / "weights.pt")


@pytest.mark.parametrize("odd", [{}, {"key": torch.zeros(7)}, {"key": torch.zeros(3, 3)}])
def test_queries_without_keys_of_their_kind_are_weights_that_are_missing(odd, tmp_path):
    ours = timm.create_model("vit_tiny_patch16_224", img_size=32, **VIT)
    parts = {part: torch.zeros(16, 16) for part in ("query", "value")} | odd
    theirs = {f"encoder.layer.0.attention.attention.{part}.weight": weight for part, weight in parts.items()}
    theirs["embeddings.patch_embeddings.projection.weight"] = ours.patch_embed.proj.weight.detach()
    torch.save(theirs, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights are missing or of another shape"):
        load_checkpoint(ours, tmp_path / "weights.pt")


def test_more_weights_than_any_network_has_are_not_looked_through(tmp_path):
    save_file({str(number): torch.zeros(0) for number in range(50_001)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="holds 50,001 weights, as no network here has"):
        read_weights(tmp_path / "weights.pt")
