"""A map of the ground as a descriptor: what lies in a cell of one view is compared with what lies there in the other.

A tile and a bird's-eye view show the same ground from above, cell by cell. SAFA has to learn where things are; here a
place is where it is, and a photo is compared by the ground that it shows: cells that it does not show are zero, and
take no part in the product of two descriptors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

CELLS, WIDTH = 8, 16
"""A map has at most so many cells along a side (feature maps that have more are averaged), of so many numbers each."""
SEEN = 0.5
"""Share of a cell that has to be shown; of less too little is known."""
BEAM_DEG, HORIZON, ABOVE = 20.0, 0.45, -3.0
"""How a panorama begins: standard deviation of the directions in which a cell is looked for, the share of the rows that
may lie above the horizon, and the logarithm of what these count."""


class GroundMap(nn.Module):
    """A feature map of a view from above, cell after cell, each of unit length: [n c h w] -> [n d], d = cells * width.

    Args:
        channels: of the feature map.
        grid: its height and width.
        width: numbers for each cell.
    """

    def __init__(self, channels: int, grid: Sequence[int], *, width: int = WIDTH) -> None:
        super().__init__()
        self.step = max(1, math.ceil(max(grid) / CELLS))
        self.grid = [math.ceil(side / self.step) for side in grid]
        self.dimension = width * math.prod(self.grid)
        self.project = nn.Conv2d(channels, width, 1)

    def forward(
        self, features: Float[Tensor, "n c h w"], shown: Bool[Tensor, "n 1 height width"]
    ) -> Float[Tensor, "n d"]:
        """Cells by rows; what an image shows less than half of is zero.

        Args:
            shown: which pixels of the image show something.
        """
        cells = F.normalize(F.avg_pool2d(self.project(features), self.step, ceil_mode=True).float(), dim=1)
        share = F.adaptive_avg_pool2d(shown.to(cells.dtype), (cells.shape[2], cells.shape[3]))
        return (cells * share * (share > SEEN)).flatten(2).transpose(1, 2).flatten(1)


class PanoramaMap(nn.Module):
    """The same of a panorama: every cell is a mean over the positions where it is seen, which is learned.

    Panoramas of one data set see the ground under them alike, so the weights are the same for all of them. They begin
    with the columns that look towards a cell, north in the middle, and below the horizon: from even weights all cells
    say the same, and no panorama finds its tile (`docs/reproduce.md`).

    Args:
        channels: of the feature map.
        grid: its height and width.
        ground: the map of the ground that is meant.
    """

    def __init__(self, channels: int, grid: Sequence[int], ground: GroundMap) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, ground.project.out_channels, 1)
        self.logits = nn.Parameter(towards(ground.grid, *grid))

    def maps(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n cells hw"]:
        """The weight of each position in each cell; they add up to 1."""
        return self.logits.softmax(1).expand(len(features), -1, -1)

    def forward(
        self, features: Float[Tensor, "n c h w"], shown: Bool[Tensor, "n 1 height width"]
    ) -> Float[Tensor, "n d"]:
        """Cells by rows, each of unit length."""
        cells = torch.einsum("ncp,kp->nkc", self.project(features).flatten(2), self.logits.softmax(1))
        return F.normalize(cells.float(), dim=2).flatten(1)


def towards(cells: Sequence[int], height: int, width: int) -> Float[Tensor, "cells hw"]:
    """Logarithms of the weights with which the positions of a panorama's feature map begin in each cell.

    Args:
        cells: rows and columns of the map of the ground, north up.
        height: rows of the feature map.
        width: its columns, south at both ends.
    """
    north, east = torch.meshgrid(*(torch.arange(count) - (count - 1) / 2 for count in cells), indexing="ij")
    azimuth = torch.atan2(east, -north).flatten()[:, None]
    column = (torch.arange(width) + 0.5) / width * math.tau - math.pi
    apart = (column - azimuth + math.pi) % math.tau - math.pi
    above = ((torch.arange(height) + 0.5) / height < HORIZON).float() * ABOVE
    return (above[:, None] - 0.5 * (apart / math.radians(BEAM_DEG))[:, None, :] ** 2).flatten(1)
