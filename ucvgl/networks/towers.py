"""Two encoders that share no weights, one per view (UCVGL section 3)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ucvgl.images.mirror_images import mirror_images
from ucvgl.networks.backbone import backbone
from ucvgl.networks.ground_map import GroundMap, PanoramaMap
from ucvgl.networks.mixed import mixed_precision
from ucvgl.networks.safa import SAFA, MeanPool
from ucvgl.networks.saved import built_from, load_saved, name_of, save
from ucvgl.poses.structure import DIMENSION
from ucvgl.settings.experiment import Model, QueryBy

View = Literal["query", "reference"]
Built = tuple[Mapping[str, Any], Any, Any]
"""Settings, and the sizes of query and reference images."""
HALF = 0.5
MOST_PIXELS, USUAL_PIXELS, USUAL_DIMENSION = 2**25, 2**22, 2**14
"""Of what a network sees and says: more is no network of ours; more than usual is compared with the weights there are
before it is built."""
VIEWS: tuple[View, View] = ("query", "reference")


@runtime_checkable
class Encoders(Protocol):
    """Whatever has an encoder of each view."""

    def encoder(self, view: View) -> nn.Module:
        """The network that sees images of a view."""
        ...


class Encoder(nn.Module):
    """Image -> unit-norm descriptor: backbone, then aggregation.

    Every image is first standardised per channel over its own pixels, so exposure and white balance, which differ
    between the views, do not reach the network.
    """

    def __init__(self, settings: Model, height: int, width: int, *, ground: GroundMap | None = None) -> None:
        super().__init__()
        self.backbone = backbone(settings)
        with torch.no_grad():
            _, channels, *grid = self.backbone.eval()(torch.zeros(1, 3, height, width)).shape
        self.train()
        if settings.aggregation == "mean":
            self.aggregate, self.dimension = MeanPool(), channels
        elif settings.aggregation == "safa":
            self.aggregate = SAFA(math.prod(grid), heads=settings.safa_heads)
            self.dimension = channels * settings.safa_heads
        else:
            above = ground or GroundMap(channels, grid)
            self.aggregate = PanoramaMap(channels, grid, above) if ground else above
            self.dimension = above.dimension

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Unit-norm descriptors of standardised images."""
        seen = shown(images)
        features = self.backbone(standardised(images, seen))
        return F.normalize(self.aggregate(features, seen).float(), dim=1)


def shown(images: Float[Tensor, "n 3 h w"]) -> Bool[Tensor, "n 1 h w"]:
    """Which pixels show something: what a camera did not see is black (`ucvgl.projection`)."""
    return (images != 0).any(1, keepdim=True)


def standardised(
    images: Float[Tensor, "n 3 h w"], seen: Bool[Tensor, "n 1 h w"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Each channel of each image with mean 0 and deviation 1 over the pixels that show something; 0 elsewhere.

    Args:
        seen: what `shown` says of them, where it is known already.
    """
    inside = (shown(images) if seen is None else seen).to(images.dtype)
    count = inside.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (images * inside).sum((2, 3), keepdim=True) / count
    centred = (images - mean) * inside
    deviation = (centred.square().sum((2, 3), keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return (centred / (deviation + 1e-2)).contiguous(memory_format=torch.channels_last)


class TwoTowers(nn.Module):
    """Query and reference encoder, and the learnable temperature of their contrast.

    With `rows_at_once`, an encoder sees so many images at a time in training and keeps nothing but their descriptors:
    it computes the rest again, part by part, when gradients come back (gradient caching, Gao et al. 2021). Memory is
    that of one part, the time a third more, and loss and gradients are those of the whole batch.

    Args:
        query_size: height and width of query images, pixels.
        reference_size: height and width of reference images, pixels.
    """

    def __init__(
        self,
        settings: Model,
        query_size: tuple[int, int],
        reference_size: tuple[int, int],
        *,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        self.settings, self.query_size, self.reference_size = settings, query_size, reference_size
        if settings.shared and query_size != reference_size and settings.aggregation != "mean":
            raise ValueError(
                "model.shared without model.aggregation mean needs one image size for both views, not "
                f"{query_size} and {reference_size}"
            )
        above = Encoder(settings, *reference_size)
        ground = above.aggregate if isinstance(above.aggregate, GroundMap) else None
        self.query_encoder = above if settings.shared else Encoder(settings, *query_size, ground=ground)
        self.reference_encoder = above
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.rows_at_once = 0
        self.ground: dict[str, Any] | None = None
        """How the structure of the ground joins what is searched by (`ucvgl.networks.searched`); nothing is trained."""
        self.panorama_share = HALF
        """Of a query that is described by both, where its bird's-eye view has the rest, before structure."""

    @property
    def dimension(self) -> int:
        """Numbers in a descriptor."""
        return self.reference_encoder.dimension

    @property
    def query(self) -> QueryBy:
        """What a query is described by, see `ucvgl.settings.experiment.Model.query`."""
        return "both" if self.settings.query == "both" else "panorama"

    def encoder(self, view: View) -> Encoder:
        """The encoder of a view; the same for both where they share one."""
        return self.query_encoder if view == "query" else self.reference_encoder

    def panoramas_join(self) -> None:
        """Panoramas have a share in queries from now on; what sees them begins with the layers that tiles taught.

        From random weights it would describe all panoramas alike for some eighty steps (`docs/reproduce.md`).
        """
        self.panorama_share = HALF
        self.query_encoder.backbone.load_state_dict(self.reference_encoder.backbone.state_dict())
        from_above, of_panorama = (tower.aggregate for tower in (self.reference_encoder, self.query_encoder))
        if isinstance(from_above, GroundMap) and isinstance(of_panorama, PanoramaMap):
            of_panorama.project.load_state_dict(from_above.project.state_dict())

    def forward(
        self, queries: Float[Tensor, "n 3 h w"] | None, references: Float[Tensor, "m 3 s t"] | None
    ) -> tuple[Float[Tensor, "n d"] | None, Float[Tensor, "m d"] | None, Float[Tensor, ""]]:
        """Descriptors of both views, either of which may be left out, and the scale of their logits (a logarithm)."""
        return (
            None if queries is None else self._described(self.query_encoder, queries),
            None if references is None else self._described(self.reference_encoder, references),
            self.logit_scale * 1,
        )

    def _described(self, encoder: Encoder, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        if not self.rows_at_once or len(images) <= self.rows_at_once or not torch.is_grad_enabled():
            return encoder(images)
        parts = images.split(self.rows_at_once)
        return torch.cat([cast(Tensor, checkpoint(encoder, part, use_reentrant=False)) for part in parts])


def batch_statistics(towers: TwoTowers) -> str | None:
    """The first layer whose output depends on which images it sees together, if there is one."""
    return next((name for name, layer in towers.named_modules() if isinstance(layer, _BatchNorm)), None)


def refuse_batch_statistics(towers: TwoTowers) -> None:
    """Raise ValueError where a layer's output depends on which images it sees together.

    Raises:
        ValueError: the network normalises over a batch.
    """
    found = batch_statistics(towers)
    if found:
        raise ValueError(
            f"{towers.settings.backbone} normalises over a batch ({found}), and would see only parts of it: train on "
            "one worker with resources.train_rows 0, or take a backbone without batch normalisation, as a ConvNeXt"
        )


def save_towers(towers: TwoTowers, path: Path) -> None:
    """Write the encoders with all that is needed to build them again."""
    built = (dataclasses.asdict(towers.settings), towers.query_size, towers.reference_size)
    told = {"ground": towers.ground, "panorama_share": towers.panorama_share}
    save({"towers": built, "state": towers.state_dict(), **told}, path)


def load_towers(path: Path | str | BytesIO, device: torch.device | str = "cpu") -> TwoTowers:
    """The encoders that `save_towers` wrote; no other file (backbone weights) is needed.

    Raises:
        ValueError: it holds none.
    """
    saved = load_saved(path)
    with built_from(name_of(path)):
        towers = towers_from(saved)
    return towers.to(device)


def towers_from(saved: Mapping[str, Any]) -> TwoTowers:
    """Two towers from the content of their file.

    Raises:
        ValueError: it is that of an adapted model.
    """
    if "frozen" in saved:
        raise ValueError("this model was adapted: it has one frozen network and no towers; name the run it was made of")
    towers = towers_as(saved["towers"], saved["state"])
    towers.load_state_dict(saved["state"])
    towers.ground = _fitting(saved.get("ground"))
    towers.panorama_share = float(saved.get("panorama_share", HALF))
    if not 0 <= towers.panorama_share <= 1:
        raise ValueError(f"its panoramas have a share of {towers.panorama_share} in a query")
    return towers.to(memory_format=torch.channels_last)


def towers_as(built: Built, state: Mapping[str, Tensor]) -> TwoTowers:
    """Towers as a file says they were built, for the weights in it.

    Raises:
        ValueError: such towers would have more weights than the file, or see larger images than any run's.
    """
    settings, query_size, reference_size = built
    settings = Model(**{**settings, "checkpoint": "", "pretrained": False})
    make = partial(TwoTowers, settings, (*query_size,), (*reference_size,))
    pixels = max(math.prod(query_size), math.prod(reference_size))
    if pixels > MOST_PIXELS:
        raise ValueError(f"its images would have {pixels:,} pixels")
    if pixels > USUAL_PIXELS or settings.channels * settings.safa_heads > USUAL_DIMENSION:
        with torch.device("meta"):  # allocates nothing
            wanted = sum(weights.numel() for weights in make().state_dict().values())
        if wanted > sum(weights.numel() for weights in state.values()):
            raise ValueError(f"it would have {wanted:,} weights, and there are less")
    return make()


def _fitting(ground: dict[str, Any] | None) -> dict[str, Any] | None:
    """How structure joins the descriptors, where it is of the size that structure is described in."""
    if ground is None:
        return None
    sizes = [list(part.shape) for side in ("bev", "tile") for part in ground[side]]
    if sizes != [[DIMENSION], [DIMENSION, DIMENSION]] * 2 or not 0 < ground["share"] <= 1:
        raise ValueError(f"its structure of the ground has a share of {ground['share']} and {sizes} numbers")
    return ground


@torch.inference_mode()
def embed(
    towers: Encoders,
    images: UInt8[np.ndarray, "n h w 3"],
    view: View,
    *,
    turns: int = 1,
    mirrored: bool = False,
    batch: int = 128,
) -> Float[np.ndarray, "n d"]:
    """Unit-norm descriptors of images of one view.

    Args:
        turns: quarter turns of the camera to look at each place from, 1 to 4; their descriptors are concatenated, so
            that the product of two such descriptors is the mean similarity over turns that both views made together.
        mirrored: see their mirror images instead: tiles that are nobody's (`ucvgl.pseudo_labels.decoys`).
    """
    encoder = towers.encoder(view).eval()
    if not len(images) and not hasattr(encoder, "dimension"):  # as wide as other shards
        return embed(towers, np.zeros((1, *images.shape[1:]), np.uint8), view, turns=turns)[:0]
    device = next(encoder.parameters()).device
    out = []
    for start in range(0, len(images), batch):
        seen = images[start : start + batch]
        part = torch.from_numpy(mirror_images(seen) if mirrored else seen).to(device).permute(0, 3, 1, 2).float() / 255
        with mixed_precision(device):
            looks = [encoder(turned(part, view, quarters)).float().cpu() for quarters in range(turns)]
        out.append(torch.cat(looks, 1) / math.sqrt(turns))
    return torch.cat(out).numpy() if out else np.empty((0, turns * getattr(encoder, "dimension", 0)), np.float32)


def turned(images: Float[Tensor, "n 3 h w"], view: View, quarters: int) -> Float[Tensor, "n 3 h w"]:
    """The same places after quarter turns of the camera: panoramas roll left, tiles turn counter-clockwise."""
    if view == "query":
        return images.roll(-quarters * (images.shape[3] // 4), 3)
    return images.rot90(quarters, (2, 3))
