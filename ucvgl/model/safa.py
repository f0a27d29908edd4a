"""Spatial-aware feature aggregation (SAFA, Shi et al. 2019; UCVGL section 3.1.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
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
        self.squeeze = nn.Parameter(torch.empty(heads, hidden, positions))
        self.excite = nn.Parameter(torch.empty(heads, positions, hidden))
        self.bias = nn.Parameter(torch.zeros(heads, hidden))
        self.output_bias = nn.Parameter(torch.full((heads, positions), 0.1))
        nn.init.normal_(self.squeeze, std=0.02 * (64 / positions) ** 0.5)
        nn.init.normal_(self.excite, std=0.02 * (64 / positions) ** 0.5)

    def maps(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n heads hw"]:
        """The spatial weights of each head."""
        peak = features.flatten(2).amax(1)
        hidden = torch.einsum("np,khp->nkh", peak, self.squeeze) + self.bias
        return torch.einsum("nkh,kph->nkp", hidden, self.excite) + self.output_bias

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return torch.einsum("ncp,nkp->nkc", features.flatten(2), self.maps(features)).flatten(1)


class MeanPool(nn.Module):
    """Global average pooling: [n c h w] -> [n c]."""

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        return features.mean((2, 3))
