"""The light part that is trained: a shared linear encoder and decoder on frozen descriptors (EM-CVGL section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.saved import load_saved, save
from ucvgl.networks.towers import VIEWS, View

NEAREST = 10
"""Of the other view's training images, over whose similarities it is told how near a descriptor is to all."""


class Adapter(nn.Module):
    """Frozen descriptors of either view -> adapted unit-norm descriptors, and back to the frozen ones.

    Both views share all weights. No layer takes statistics over the batch: those of the released code mix the views,
    and would depend on the number of workers. Each view's own mean over the corpus is subtracted instead.

    Args:
        dimension: of the frozen descriptors.
        width: of the adapted ones.
        residual: start as the identity (a projection on, or an embedding in, `width` numbers) and learn a difference.
        temperature: where the learnable temperature of the contrast starts.
        mapped: each view has linear maps of its own, before the unit norm and as a residual after it: what is found
            without training (`ucvgl.training.closed_form`).
        banks: rows of adapted training descriptors of the queries and of the references, and their numbers, by which
            hubs are set back; empty: they are not.
    """

    query_mean: Tensor
    reference_mean: Tensor
    query_map: Tensor
    reference_map: Tensor
    query_move: Tensor
    reference_move: Tensor
    query_bank: Tensor
    reference_bank: Tensor

    def __init__(
        self,
        dimension: int,
        width: int = 0,
        *,
        residual: bool = True,
        temperature: float = 0.07,
        mapped: bool = False,
        banks: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        width = width or dimension
        self.dimension, self.width, self.residual, self.mapped = dimension, width, residual, mapped
        self.encoder, self.decoder = nn.Linear(dimension, width), nn.Linear(width, dimension)
        if residual:
            for layer in (self.encoder, self.decoder):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.register_buffer("query_mean", torch.zeros(dimension))
        self.register_buffer("reference_mean", torch.zeros(dimension))
        for view in VIEWS if mapped else ():
            self.register_buffer(f"{view}_map", torch.eye(dimension))
            self.register_buffer(f"{view}_move", torch.zeros(dimension, dimension))
        self.banks = tuple(banks)
        for view, rows in zip(VIEWS, self.banks[:2], strict=False):
            self.register_buffer(f"{view}_bank", torch.zeros(rows, self.banks[2]))

    def centred(self, features: Float[Tensor, "n d"], view: View) -> Float[Tensor, "n d"]:
        """Unit-norm frozen descriptors without the mean of their view: what the adapter sees and must keep."""
        first = view == "query"
        centred = features - (self.query_mean if first else self.reference_mean)
        if not self.mapped:
            return F.normalize(centred, dim=1)
        mapped = F.normalize(centred @ (self.query_map if first else self.reference_map), dim=1)
        return F.normalize(mapped + mapped @ (self.query_move if first else self.reference_move), dim=1)

    def encode(self, centred: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        """Adapted unit-norm descriptors of frozen ones, from which the mean of their view was subtracted."""
        adapted = self.encoder(centred)
        return F.normalize(adapted + _fitted(centred, self.width) if self.residual else adapted, dim=1)

    def decode(self, adapted: Float[Tensor, "n w"]) -> Float[Tensor, "n d"]:
        """What an adapted descriptor still knows of its frozen one, unit norm: the reconstruction of AIC."""
        back = self.decoder(adapted)
        return F.normalize(back + _fitted(adapted, self.dimension) if self.residual else back, dim=1)

    def forward(
        self, queries: Float[Tensor, "n d"], references: Float[Tensor, "m d"]
    ) -> tuple[Float[Tensor, "n w"], Float[Tensor, "m w"], Float[Tensor, "n+m d"], Float[Tensor, ""]]:
        """Adapted descriptors of both views, their reconstruction, and the scale of the logits (a logarithm).

        Both are given centred.
        """
        adapted = self.encode(torch.cat((queries, references)))
        return adapted[: len(queries)], adapted[len(queries) :], self.decode(adapted), self.logit_scale * 1

    def described(self, turns: int) -> int:
        """Numbers in a descriptor of so many turns."""
        return turns * self.width + (4 if self.banks else 0)

    def set_back(self, vectors: Float[Tensor, "n w"], view: View) -> Float[Tensor, "n w+4"]:
        """Descriptors whose product is s(x, y) - (r(x) + r(y)) / 2, halved: what is near to all is near to none.

        r is the mean similarity to the nearest `NEAREST` training images of the other view (CSLS, Conneau et al. 2018).
        Four more numbers carry it and keep the norm at one.
        """
        bank = self.reference_bank if view == "query" else self.query_bank
        near = (vectors @ bank.T).topk(min(NEAREST, len(bank)), dim=1).values.mean(1, keepdim=True)
        one, none, rest = torch.ones_like(near), torch.zeros_like(near), (1 - near * near).clamp(min=0).sqrt()
        beside = (one, -near, none, rest) if view == "query" else (-near, one, rest, none)
        return torch.cat((vectors * 2**0.5, *beside), dim=1) / 2

    @property
    def trainable(self) -> int:
        """Numbers that training changes."""
        return sum(weights.numel() for weights in self.parameters())


def adapted(adapter: Adapter, features: Float[Tensor, "n t d"], view: View) -> Float[Tensor, "n w"]:
    """Unit-norm adapted descriptors; those of several turns side by side, so that their product is the mean."""
    count, turns, _ = features.shape
    each = adapter.encode(adapter.centred(features.flatten(0, 1), view))
    vectors = each.unflatten(0, (count, turns)).flatten(1) / turns**0.5
    return adapter.set_back(vectors, view) if adapter.banks else vectors


def _fitted(vectors: Float[Tensor, "n d"], width: int) -> Float[Tensor, "n w"]:
    """The same vectors in another number of dimensions: the first ones, or with zeros behind."""
    return F.pad(vectors, (0, max(0, width - vectors.shape[1])))[:, :width]


def save_adapter(adapter: Adapter, path: Path) -> None:
    """Write an adapter with what it takes to build it again."""
    built = (adapter.dimension, adapter.width, adapter.residual, adapter.mapped, *adapter.banks)
    save({"adapter": built, "state": adapter.state_dict()}, path)


def load_adapter(path: Path, device: torch.device | str = "cpu") -> Adapter:
    """The adapter that `save_adapter` wrote."""
    return adapter_from(load_saved(path)).to(device)


def adapter_from(saved: Mapping[str, Any]) -> Adapter:
    """An adapter from the content of its file."""
    dimension, width, residual, *more = saved["adapter"]  # those of before knew no maps, and then no banks
    adapter = Adapter(dimension, width, residual=residual, mapped=any(more[:1]), banks=tuple(more[1:]))
    adapter.load_state_dict(saved["state"])
    return adapter
