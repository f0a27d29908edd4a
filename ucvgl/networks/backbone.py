"""Backbones by name: our `strided` net, or any timm model as a feature map."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.checkpoint import load_checkpoint
from ucvgl.networks.strided import Strided
from ucvgl.settings.experiment import Model

logger = logging.getLogger(__name__)


def backbone(settings: Model) -> nn.Module:
    """A module [n 3 h w] -> [n c h' w'].

    Raises:
        ValueError: an unknown name, weights that cannot be had, or a checkpoint of another network.
    """
    if settings.backbone == "strided":
        network: nn.Module = Strided(channels=settings.channels)
    else:
        network = _timm_backbone(settings)
    if settings.checkpoint:
        family = load_checkpoint(getattr(network, "network", network), Path(settings.checkpoint))
        logger.info("model.checkpoint %s was read as weights with %s names", settings.checkpoint, family)
    return network


def _timm_backbone(settings: Model) -> nn.Module:
    import timm

    name = settings.backbone
    if not timm.is_model(name):
        close = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=6))
        raise ValueError(f"model.backbone {name!r} is no timm model; some that look alike: {close or 'none'}")
    plain = {"pretrained": settings.pretrained, "num_classes": 0, "global_pool": ""}
    try:
        with _norms_in_few_digits():
            try:
                return FeatureMap(timm.create_model(name, dynamic_img_size=True, **plain))
            except TypeError:  # only transformers are built for one image size, and know the word
                return FeatureMap(timm.create_model(name, **plain))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"the pretrained weights of {name!r} cannot be fetched ({type(error).__name__}); without network set "
            "model.checkpoint to a local file, or model.pretrained false to start from scratch"
        ) from error


@contextmanager
def _norms_in_few_digits() -> Iterator[None]:
    """What timm builds in here normalises layers as autocast's products compute, on a machine with a graphics card.

    Autocast asks for float32 there and copies twice; sums are float32 in either. A step of ConvNeXt-B on an H200 takes
    642 ms instead of 708 (`benchmarks/gpu.py`, norms); on a processor nothing is gained.
    """
    from timm.layers.fast_norm import is_fast_norm, set_fast_norm

    before = is_fast_norm()
    set_fast_norm(torch.cuda.is_available())
    try:
        yield
    finally:
        set_fast_norm(before)


class FeatureMap(nn.Module):
    """A timm model without pooling, its tokens (if it has any) folded back to a map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hf wf"]:
        """The last feature map, whatever layout the network has: tokens become a grid, prefix tokens are left out."""
        features = self.network.forward_features(x)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            features = features.permute(0, 3, 1, 2)
        if features.ndim == 3:
            tokens = features[:, getattr(self.network, "num_prefix_tokens", 0) :]
            height, width = self.network.patch_embed.dynamic_feat_size(x.shape[2:])
            features = tokens.transpose(1, 2).unflatten(2, (height, width))
        return features
