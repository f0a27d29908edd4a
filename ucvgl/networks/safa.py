"""Spatial-aware feature aggregation (SAFA, Shi et al. 2019; UCVGL section 3.1.2)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SAFA(nn.Module):
    """Aggregate a feature map by several learned spatial maps: [n c h w] -> [n heads*c].

    Each head turns the channel-wise maximum [n hw] into a map over positions by two linear layers.

    Args:
        positions: h * w of the feature map; the layers are tied to it.
    """

    def __init__(self, positions: int, *, heads: int = 8) -> None:
        super().__init__()
        hidden = max(1, positions // 2)
        self.squeeze = uniform(heads, hidden, positions, fan_in=positions)
        self.squeeze_bias = uniform(heads, hidden, fan_in=positions)
        self.excite = uniform(heads, positions, hidden, fan_in=hidden)
        self.excite_bias = uniform(heads, positions, fan_in=hidden)

    def maps(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n heads hw"]:
        """The spatial weights of each head."""
        peak = features.flatten(2).amax(1)
        hidden = torch.einsum("np,khp->nkh", peak, self.squeeze) + self.squeeze_bias
        return torch.einsum("nkh,kph->nkp", hidden, self.excite) + self.excite_bias

    def forward(
        self, features: Float[Tensor, "n c h w"], shown: Bool[Tensor, "n 1 y x"] | None = None
    ) -> Float[Tensor, "n d"]:
        """The features summed under each spatial map, channel after channel: d = c * heads."""
        return torch.einsum("ncp,nkp->nkc", features.flatten(2), self.maps(features)).flatten(1)


def uniform(*shape: int, fan_in: int) -> nn.Parameter:
    """Uniform within one over the root of the inputs, as a linear layer starts: every head starts on its own."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class MeanPool(nn.Module):
    """Global average pooling: [n c h w] -> [n c]."""

    def forward(
        self, features: Float[Tensor, "n c h w"], shown: Bool[Tensor, "n 1 y x"] | None = None
    ) -> Float[Tensor, "n c"]:
        """The mean over all positions."""
        return features.mean((2, 3))
