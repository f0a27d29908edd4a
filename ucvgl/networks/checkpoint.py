"""Checkpoints people have, read as weights of a timm network: by family, as each library names its layers."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ucvgl.networks.saved import load_saved

State = dict[str, Tensor]
WRAPPERS = (
    *("state_dict_ema", "model_ema", "params_ema", "ema", "state_dict", "model_state_dict", "model_state"),
    *("ema_state_dict", "module", "target_encoder"),
    *("model", "teacher", "student", "network", "net", "backbone", "encoder", "params", "weights"),
)
"""Entries of a training checkpoint that hold weights, the preferred first."""
MOST_WRAPPERS = 10
"""Around each other; one that holds itself has no end."""
MOST_WEIGHTS = 50_000
POINTER = b"version https://git-lfs"
NEEDLESS = ("head", "fc", "classifier", "attn_pool")
"""What a network has behind its features; a descriptor does without."""
COMPUTED = re.compile(r"attn_mask|relative_|freqs|rope|periods|position_ids|num_batches_tracked")
"""What some libraries keep beside their weights and others compute."""


@dataclass(frozen=True)
class Family:
    """How one library names the layers of one kind of network.

    Args:
        tell: a weight that every network of the family has; whatever stands before it is a prefix of all.
        names: patterns and what they become, in timm's words; applied in this order.
        ordered: the names tell nothing; weights are taken in the order of the network's own, each of its shape.
    """

    name: str
    tell: str
    names: tuple[tuple[str, str], ...] = ()
    ordered: bool = False


HUGGING_FACE = (  # names of files on the hub, and of the modules since version 5 of the library
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^(encoder\.)?layers?\.", "blocks."),
    (r"attention\.([qkv])_proj", r"attn.\1"),
    (r"attention\.o_proj", "attn.proj"),
    (r"attention\.attention\.(q)uery|attention\.attention\.(k)ey|attention\.attention\.(v)alue", r"attn.\1\2\3"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"mlp\.weights_in", "mlp.w12"),
    (r"mlp\.weights_out", "mlp.w3"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"(blocks\.\d+)\.output\.dense", r"\1.mlp.fc2"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"^layernorm", "norm"),
)
CLIP = (
    (r"^embeddings\.class_embedding$", "cls_token"),
    (r"^embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"^embeddings\.patch_embedding", "patch_embed.proj"),
    (r"^pre_layrnorm", "norm_pre"),
    (r"^post_layernorm", "norm"),
    (r"^encoder\.layers\.", "blocks."),
    (r"self_attn\.([qkv])_proj", r"attn.\1"),
    (r"self_attn\.out_proj", "attn.proj"),
    (r"layer_norm(\d)", r"norm\1"),
)
HUGGING_FACE_CONVNEXT = (
    (r"^embeddings\.patch_embeddings", "stem.0"),
    (r"^embeddings\.layernorm", "stem.1"),
    (r"^encoder\.stages\.(\d)\.downsampling_layer", r"stages.\1.downsample"),
    (r"^encoder\.stages\.(\d)\.layers", r"stages.\1.blocks"),
    (r"dwconv", "conv_dw"),
    (r"(blocks\.\d+)\.layernorm", r"\1.norm"),
    (r"pwconv", "mlp.fc"),
    (r"layer_scale_parameter", "gamma"),
    (r"\.grn\.", ".mlp.grn."),
    (r"^layernorm", "head.norm"),
)
TORCHVISION_VIT = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj", "patch_embed.proj"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_", "blocks."),
    (r"ln_(\d)", r"norm\1"),
    (r"self_attention\.in_proj_", "attn.qkv."),
    (r"self_attention\.out_proj", "attn.proj"),
    (r"mlp\.(linear_1|0)\.", "mlp.fc1."),
    (r"mlp\.(linear_2|3)\.", "mlp.fc2."),
    (r"^encoder\.ln", "norm"),
)
TORCHVISION_CONVNEXT = (
    (r"^features\.0\.", "stem."),
    *((rf"^features\.{2 * stage}\.", f"stages.{stage}.downsample.") for stage in (1, 2, 3)),
    *((rf"^features\.{2 * stage + 1}\.", f"stages.{stage}.blocks.") for stage in (0, 1, 2, 3)),
    (r"block\.0\.", "conv_dw."),
    (r"block\.2\.", "norm."),
    (r"block\.3\.", "mlp.fc1."),
    (r"block\.5\.", "mlp.fc2."),
    (r"layer_scale$", "gamma"),
    (r"^classifier\.0", "head.norm"),
)
FAMILIES = (
    Family("a DINOv2 or ViT of Hugging Face", "embeddings.patch_embeddings.projection.weight", HUGGING_FACE),
    Family("a CLIP or SigLIP tower of Hugging Face", "embeddings.patch_embedding.weight", CLIP),
    Family("a ConvNeXt of Hugging Face", "embeddings.patch_embeddings.weight", HUGGING_FACE_CONVNEXT),
    Family("a ViT of torchvision", "conv_proj.weight", TORCHVISION_VIT),
    Family("a ConvNeXt of torchvision", "features.1.0.layer_scale", TORCHVISION_CONVNEXT),
    Family("an EfficientNet of torchvision", "features.1.0.block.0.0.weight", ordered=True),
    Family("an EfficientNet of efficientnet_pytorch", "_conv_stem.weight", ordered=True),
)


OWN = Family("timm's or the authors' own", "")


def load_checkpoint(network: nn.Module, path: Path) -> str:
    """Give the network the weights in a file; the family that the file was recognised as.

    Raises:
        ValueError: no file, no weights, or those of another network.
    """
    state, own = read_weights(path), network.state_dict()
    families = (*FAMILIES, replace(OWN, tell=next(iter(own))))
    readings = {family.name: _read_as(family, state, network) for family in families}
    family, fitting = min(readings.items(), key=lambda reading: len(_missing(own, reading[1])))
    if missing := _missing(own, fitting):
        raise ValueError(
            f"model.checkpoint {path} is not of this model.backbone: read with {family} names, {len(missing)} of "
            f"{len(own)} weights are missing or of another shape, the first is {missing[0]}"
        )
    if more := _without_a_place(own, fitting):
        raise ValueError(
            f"model.checkpoint {path} is not of this model.backbone: read with {family} names, it holds {len(more)} "
            f"weights for which this network has no place, the first is {more[0]}"
        )
    if odd := next((name for name in own if name in fitting and _is_quantized(fitting[name], own[name])), None):
        raise ValueError(
            f"model.checkpoint {path}: {odd} is of {str(fitting[odd].dtype).removeprefix('torch.')}, as in quantized "
            "checkpoints, whose numbers mean nothing by themselves; take the one with 16 or 32 bits"
        )
    if odd := next((name for name in own if name in fitting and not fitting[name].isfinite().all()), None):
        raise ValueError(f"model.checkpoint {path}: {odd} is not finite; the training that wrote it had diverged")
    network.load_state_dict({name: fitting[name] for name in own if name in fitting}, strict=False)
    return family


def read_weights(path: Path) -> State:
    """The weights in a file of torch or safetensors, of a training checkpoint those of its best copy.

    Raises:
        ValueError: there is no file, or no weights in it.
    """
    if not path.is_file():
        raise ValueError(f"model.checkpoint {path} is no file")
    with path.open("rb") as file:
        begin = file.read(len(POINTER))
        if begin == POINTER:
            raise ValueError(f"model.checkpoint {path} is a pointer of Git LFS and not the weights; run `git lfs pull`")
    try:
        saved = load_file(path) if begin[8:9] == b"{" else load_saved(path)
    except (ValueError, SafetensorError) as error:
        told = isinstance(error, ValueError)
        reason = str(error) if told else f"{path} does not hold weights that can be read ({error}); copy it again"
        raise ValueError(f"model.checkpoint {reason}") from error
    for _ in range(MOST_WRAPPERS):
        held = saved if isinstance(saved, Mapping) else {}
        saved = next((held[name] for name in WRAPPERS if isinstance(held.get(name), Mapping) and held[name]), saved)
    weights = saved.items() if isinstance(saved, Mapping) else ()
    state = {name: value for name, value in weights if isinstance(name, str) and isinstance(value, Tensor)}
    if len(state) > MOST_WEIGHTS:
        raise ValueError(f"model.checkpoint {path} holds {len(state):,} weights, as no network here has; name another")
    if not state:
        raise ValueError(f"model.checkpoint {path} holds no weights, by themselves or as {', '.join(WRAPPERS)}")
    return state


def _read_as(family: Family, state: State, network: nn.Module) -> State:
    """The weights by the network's names, if the file is of this family; empty if it is not."""
    told = next((name for name in state if name == family.tell or name.endswith(f".{family.tell}")), None)
    if told is None and family.name != OWN.name:
        return {}
    prefix = (told or "").removesuffix(family.tell)
    bare = {name.removeprefix(prefix): weight for name, weight in state.items() if name.startswith(prefix)}
    own = network.state_dict()
    if family.ordered:
        pairs = zip(own, bare.values(), strict=False)
        return dict(pairs)
    named = {_renamed(name, family.names): weight for name, weight in bare.items()}
    for name in [name for name in named if "attn.q." in name and name.replace("attn.q.", "attn.qkv.") in own]:
        apart = [name.replace("attn.q.", f"attn.{part}.") for part in "qkv"]
        with suppress(KeyError, RuntimeError):  # of another network, which is told by what is missing
            joined = torch.cat([named[part] for part in apart])
            named = {other: weight for other, weight in named.items() if other not in apart}
            named[name.replace("attn.q.", "attn.qkv.")] = joined
    shaped = {name: _shaped(weight, own.get(name)) for name, weight in named.items()}
    finish = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    try:
        return finish(shaped, network) if finish else shaped
    except (KeyError, RuntimeError):  # weights of another network, which is told by what is missing
        return shaped


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for pattern, become in names:
        name = re.sub(pattern, become, name)
    return name


def _shaped(weight: Tensor, like: Tensor | None) -> Tensor:
    """The same numbers with the network's axes: libraries differ in axes of length one."""
    if like is None:
        return weight
    if weight.squeeze().shape == like.squeeze().shape:
        return weight.reshape(like.shape)
    return weight[None] if weight.ndim == like.ndim - 1 else weight


def _is_quantized(weight: Tensor, own: Tensor) -> bool:
    """Whether it holds other numbers than a weight of this kind: whole, complex, or of 8 bits."""
    return own.is_floating_point() and not (weight.is_floating_point() and weight.element_size() > 1)


def _missing(own: State, state: State) -> list[str]:
    """Weights of the network that a state does not hold in their shape."""
    return [
        name
        for name, weight in own.items()
        if not name.startswith(NEEDLESS) and (name not in state or state[name].shape != weight.shape)
    ]


def _without_a_place(own: State, state: State) -> list[str]:
    """Weights inside the layers of a network, or of more of them, that it has not: it would be another without them."""
    layers = {_layer(name) for name in own} - {""}
    alike = {re.sub(r"\d+", "#", name) for name in own}
    return [
        name
        for name, weight in state.items()
        if not (name in own or name.startswith(NEEDLESS) or COMPUTED.search(name)) and weight.is_floating_point()
        if _layer(name) in layers or re.sub(r"\d+", "#", name) in alike or name == "reg_token"
    ]


def _layer(name: str) -> str:
    """The numbered part of a network that a weight is in: `blocks.3` of `blocks.3.attn.qkv.bias`."""
    found = re.match(r"(.*\.\d+)\.", name)
    return found[1] if found else ""
