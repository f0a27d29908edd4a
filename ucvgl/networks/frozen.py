"""A frozen network and how it describes an image: timm networks with a layer and a pooling, or towers of ours.

A `Frozen` is used like the two towers: `encoder(view)` takes images and gives unit-norm descriptors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.backbone import FeatureMap, backbone
from ucvgl.networks.pooling import GeM, moments
from ucvgl.networks.saved import load_saved, save
from ucvgl.networks.towers import Encoder, TwoTowers, View, load_towers, standardised, towers_as
from ucvgl.run.weights import weights_of
from ucvgl.settings.experiment import Adaptation, Model
from ucvgl.settings.retired import without_retired

FROZEN = "frozen.pt"
"""Name of the file that holds a frozen model."""


@dataclass(frozen=True)
class Seen:
    """What a network makes of images.

    Args:
        patches: one descriptor per position.
        cls: the class token, where there is one.
    """

    patches: Float[Tensor, "n p c"]
    cls: Float[Tensor, "n c"] | None = None


class TowerNetwork(nn.Module):
    """The backbone of an encoder that a run of ours has trained; `own` is the encoder's descriptor."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Seen:
        """The last feature map of the encoder, as patches; there is no class token."""
        return Seen(self.encoder.backbone(standardised(images)).flatten(2).transpose(1, 2))

    def own(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """The encoder's own descriptor."""
        return self.encoder(images)


class TimmNetwork(nn.Module):
    """A layer of a timm network.

    Args:
        layer: block of a transformer, stage of a convolution net; negative from the end.

    Raises:
        ValueError: there is no such layer, or the network is not timm's.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, settings: Model, *, layer: int = -1) -> None:
        super().__init__()
        from timm.data.config import resolve_model_data_config

        if settings.backbone == "strided":
            raise ValueError(
                "adaptation.source: model.backbone 'strided' has learned nothing by itself; name a run here, or a "
                "network of timm in model.backbone"
            )
        self.network: Any = cast(FeatureMap, backbone(settings)).network
        count = len(self.network.feature_info)  # an EfficientNet's 7 blocks are 5 layers
        if not -count <= layer < count:
            raise ValueError(f"adaptation.layer: {settings.backbone!r} has {count} layers, there is no {layer}")
        self.layer = layer % count
        self.last = self.layer == count - 1
        self.has_cls = bool(getattr(self.network, "num_prefix_tokens", 0))
        usual = resolve_model_data_config(self.network)
        self.register_buffer("mean", torch.tensor(usual["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(usual["std"]).view(3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Seen:
        """Patches and class token of the layer asked for; images from 0 to 1."""
        prefixes = getattr(self.network, "num_prefix_tokens", 0)
        how = {"indices": [self.layer], "stop_early": True, "intermediates_only": True}
        how |= {"norm": self.last} | ({"return_prefix_tokens": True} if prefixes else {})
        (found,) = self.network.forward_intermediates((images - self.mean) / self.deviation, output_fmt="NCHW", **how)
        grid = found[0] if prefixes else found
        return Seen(grid.flatten(2).transpose(1, 2), found[1][:, 0] if prefixes else None)

    def own(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """The class token where there is one, else the mean of the patches."""
        seen = self(images)
        return seen.patches.mean(1) if seen.cls is None else seen.cls

    def moments(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Moments of this layer and of those half and three quarters of the way to it (`ucvgl.networks.pooling`)."""
        how = {"indices": self._moment_layers(), "stop_early": True, "intermediates_only": True, "norm": False}
        found = self.network.forward_intermediates((images - self.mean) / self.deviation, output_fmt="NCHW", **how)
        return moments([layer.float() for layer in found])

    def moment_parts(self) -> tuple[int, ...]:
        """Numbers in each part of the moments."""
        channels = self.network.feature_info
        return tuple(channels[layer]["num_chs"] for layer in self._moment_layers() for _ in range(3))

    def _moment_layers(self) -> list[int]:
        return sorted({round(self.layer * way) for way in (0.5, 0.75, 1.0)})


class Describer(nn.Module):
    """Image -> unit-norm descriptor, by a frozen network and a pooling of its patches."""

    def __init__(self, network: TowerNetwork | TimmNetwork, settings: Adaptation) -> None:
        super().__init__()
        self.network, self.pooling, self.averaged = network, settings.pooling, settings.averaged_turns
        self.pool = GeM() if settings.pooling == "gem" else None

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Unit-norm descriptors of images (0 to 1)."""
        looks = [self._look(torch.rot90(images, quarters, (2, 3))) for quarters in range(self.averaged)]
        return looks[0] if len(looks) == 1 else F.normalize(torch.stack(looks).mean(0), dim=1)

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers in each part of a descriptor that is made of several; none where it is not."""
        if self.pooling != "moments":
            return ()
        assert isinstance(self.network, TimmNetwork)
        return self.network.moment_parts()

    def _look(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        if self.pooling == "moments":
            assert isinstance(self.network, TimmNetwork)
            return self.network.moments(images)
        if self.pooling == "own":
            return F.normalize(self.network.own(images).float(), dim=1)
        seen = self.network(images)
        if self.pooling == "cls":
            assert seen.cls is not None
            return F.normalize(seen.cls.float(), dim=1)
        patches = seen.patches.float()
        return F.normalize(patches.mean(1) if self.pool is None else self.pool(patches), dim=1)


class Frozen(nn.Module):
    """The describer of each view; with one network for both views, the same one.

    Args:
        towers: that the networks are taken from; None: they are timm's.
    """

    def __init__(self, adaptation: Adaptation, model: Model, towers: TwoTowers | None) -> None:
        super().__init__()
        self.adaptation, self.model = adaptation, model
        self.built = None
        if towers is None:
            networks: list[Any] = [TimmNetwork(model, layer=adaptation.layer)]
            if adaptation.pooling == "cls" and not networks[0].has_cls:
                raise ValueError(f"adaptation.pooling: {model.backbone!r} has no class token; pool its patches")
        else:
            self.built = (dataclasses.asdict(towers.settings), towers.query_size, towers.reference_size)
            views: list[View] = ["reference", "query"] if adaptation.towers == "two" else ["reference"]
            networks = [TowerNetwork(towers.encoder(view)) for view in views]
        self.describers = nn.ModuleList(Describer(network, adaptation) for network in networks)
        self.requires_grad_(False)

    def size(self, view: View) -> tuple[int, int] | None:
        """Height and width that images must have, pixels; None: any, as only means of all positions take."""
        if self.built is None or self.built[0]["aggregation"] == "mean" or self.adaptation.pooling != "own":
            return None
        return self.built[1] if view == "query" else self.built[2]

    def encoder(self, view: View) -> Describer:
        """The tile encoder comes first, and is the only one where one network sees both views."""
        return cast(Describer, self.describers[0 if view == "reference" else -1])


def frozen_model(adaptation: Adaptation, model: Model) -> Frozen:
    """The frozen model that the settings name.

    Raises:
        ValueError: there is none, or it does not have what the settings ask for.
    """
    towers = load_towers(weights_of(adaptation.source, setting="adaptation.source")) if adaptation.source else None
    if towers is None and model.backbone == "strided":
        raise ValueError(
            "adaptation.source: there is no trained network to freeze; name a run of ours, or set model.backbone to a "
            "timm network, with model.pretrained or model.checkpoint"
        )
    return Frozen(adaptation, model, towers)


def save_frozen(frozen: Frozen, path: Path) -> None:
    """Write the model with all that is needed to build it again; no other file and no hub is."""
    settings = (dataclasses.asdict(frozen.adaptation), dataclasses.asdict(frozen.model))
    saved = {"frozen": settings, "towers": frozen.built, "state": frozen.state_dict()}
    save(saved, path)


def load_frozen(path: Path | str, device: torch.device | str = "cpu") -> Frozen:
    """The frozen model that `save_frozen` wrote."""
    return frozen_from(load_saved(path)).to(device)


def frozen_from(saved: Mapping[str, Any]) -> Frozen:
    """A frozen model from the content of its file; its weights are in there, so none are fetched.

    Raises:
        ValueError: an earlier version made it with a setting that there is no more.
    """
    settings, model = saved["frozen"]
    adaptation, model = Adaptation(**without_retired("adaptation", settings)), Model(**model)
    towers = towers_as(saved["towers"], saved["state"]) if saved["towers"] else None
    plain = dataclasses.replace(model, checkpoint="", pretrained=False)
    frozen = Frozen(adaptation, plain, towers)
    frozen.load_state_dict(saved["state"])
    return frozen.to(memory_format=torch.channels_last)


def frozen_size(path: Path) -> int:
    """How many numbers a frozen model has."""
    state = load_saved(path, device="meta")["state"]
    return sum(weights.numel() for weights in state.values())
