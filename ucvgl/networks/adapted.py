"""A frozen model and its adapter as one: images in, adapted descriptors out, in a single file (EM-CVGL)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.adapter import Adapter, adapted, adapter_from
from ucvgl.networks.frozen import Describer, Frozen, frozen_from
from ucvgl.networks.saved import built_from, load_saved, name_of, save
from ucvgl.networks.towers import TwoTowers, View, towers_from, turned


class AdaptedEncoder(nn.Module):
    """Image -> unit-norm adapted descriptor, from as many turns of the camera as the adapter was trained with.

    Args:
        view: whose mean the adapter subtracts.
        shown: how the image turns: as a panorama (`query`), or as what is seen from above.
    """

    def __init__(self, describer: Describer, adapter: Adapter, view: View, shown: View, turns: int) -> None:
        super().__init__()
        self.describer, self.adapter = describer, adapter
        self.view: View = view
        self.shown: View = shown
        self.turns, self.dimension = turns, adapter.described(turns)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Unit-norm descriptors of images (0 to 1), taken over all turns of the camera."""
        looks = [self.describer(turned(images, self.shown, quarters)).float() for quarters in range(self.turns)]
        with torch.autocast(images.device.type, enabled=False):
            return adapted(self.adapter, torch.stack(looks, 1), self.view)


class Adapted(nn.Module):
    """The encoders of both views, used like the two towers of the main job.

    Args:
        query_size: height and width of the data set's panoramas for a network, pixels. With one network for both views
            (`from_above`) the query encoder sees their bird's-eye views instead, at `reference_size`.
        reference_size: height and width of tiles, pixels.
    """

    def __init__(
        self, frozen: Frozen, adapter: Adapter, query_size: tuple[int, int], reference_size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.query_size, self.reference_size = query_size, reference_size
        self.from_above = frozen.adaptation.towers == "one"
        turns, shown = frozen.adaptation.turns, "reference" if self.from_above else "query"
        self.query_encoder = AdaptedEncoder(frozen.encoder(shown), adapter, "query", shown, turns)
        tiles = AdaptedEncoder(frozen.encoder("reference"), adapter, "reference", "reference", turns)
        self.reference_encoder = tiles

    @property
    def dimension(self) -> int:
        """Numbers in a descriptor."""
        return self.reference_encoder.dimension

    def encoder(self, view: View) -> AdaptedEncoder:
        """The encoder of a view."""
        return self.query_encoder if view == "query" else self.reference_encoder


def save_adapted(
    path: Path, *, frozen: Path, adapter: Path, query_size: tuple[int, int], reference_size: tuple[int, int]
) -> None:
    """Join the files of a frozen model and of its adapter.

    Args:
        query_size: height and width of the queries' images for the networks, pixels.
        reference_size: the same of the references'.
    """
    saved = load_saved(frozen)
    saved |= {"adapter": load_saved(adapter)}
    saved |= {"sizes": (query_size, reference_size)}
    save(saved, path)


def load_encoders(
    path: Path | str | BytesIO, device: torch.device | str = "cpu", *, origin: str = ""
) -> TwoTowers | Frozen | Adapted:
    """Whatever encoders a file of ours holds: two towers, a frozen model, or one with its adapter.

    Args:
        origin: what to call it in errors; empty: its path.

    Raises:
        ValueError: it holds none.
    """
    saved = load_saved(path, origin=origin)
    with built_from(origin or name_of(path)):
        if "adapter" in saved:
            query_size, reference_size = saved["sizes"]
            made = Adapted(frozen_from(saved), adapter_from(saved["adapter"]), tuple(query_size), tuple(reference_size))
        else:
            made = (frozen_from if "frozen" in saved else towers_from)(saved)
    return made.to(device)
