"""A small convolution net for CPUs: stride 8, no depthwise layers, no statistics over the batch."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Residual(nn.Module):
    """Normalise, convolve, add."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Features and what the convolution adds to them."""
        return x + F.relu_(self.conv(self.norm(x)))


class Strided(nn.Module):
    """[n 3 h w] -> [n channels h/8 w/8]. Group normalisation, so that a batch may be cut over any number of workers."""

    stride = 8

    def __init__(self, *, channels: int = 64, width: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            Residual(2 * width),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            Residual(4 * width),
            Residual(4 * width),
            nn.GroupNorm(8, 4 * width),
            nn.Conv2d(4 * width, channels, 1),
        )

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hf wf"]:
        """A feature map at an eighth of the resolution."""
        return self.layers(x)
