"""Augmentation of whole batches on the device, drawn from one generator so that workers do not matter.

Every function takes images [n 3 h w] in 0..1 and draws for the global batch; `rows` picks this worker's part of the
draws.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucvgl.networks.towers import shown
from ucvgl.training.ahead import sent

Images = Float[Tensor, "n 3 h w"]


class Draws:
    """Random numbers for a global batch, of which this worker sees its rows.

    Args:
        seed: whatever identifies the step, e.g. (experiment seed, stage, step).
    """

    def __init__(self, seed: tuple[int, ...], batch: int, rows: slice, device: torch.device | str = "cpu") -> None:
        mixed = 0
        for part in seed:
            mixed = (mixed * 1_000_003 + part + 1) % (1 << 62)
        self._generator = torch.Generator().manual_seed(mixed)
        self._batch, self._rows, self.device = batch, rows, device

    def uniform(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Float[Tensor, "n *shape"]:
        """Numbers between two bounds for the own rows."""
        drawn = torch.rand(self._batch, *shape, generator=self._generator)[self._rows]
        return sent(low + (high - low) * drawn, self.device)

    def normal(self, *shape: int) -> Float[Tensor, "n *shape"]:
        """Standard normal numbers for the own rows."""
        return sent(torch.randn(self._batch, *shape, generator=self._generator)[self._rows], self.device)

    def chance(self, probability: float) -> Bool[Tensor, " n"]:
        """Which of the own rows something happens to."""
        return self.uniform(low=0.0, high=1.0) < probability

    def choice(self, count: int) -> Int[Tensor, " n"]:
        """A number below `count` for each of the own rows."""
        return sent(torch.randint(count, (self._batch,), generator=self._generator)[self._rows], self.device)


def turn_panorama(images: Images, quarters: Int[Tensor, " n"], flip: Bool[Tensor, " n"]) -> Images:
    """Mirror left-right where `flip`, then turn the camera: roll by quarters of the width to the left."""
    width = images.shape[3]
    column = torch.arange(width, device=images.device)
    source = (column + quarters[:, None] * (width // 4)) % width
    source = torch.where(flip[:, None], width - 1 - source, source)
    return images.gather(3, source[:, None, None, :].expand_as(images))


def warp_tile(
    images: Images,
    draws: Draws,
    *,
    quarters: Int[Tensor, " n"],
    flip: Bool[Tensor, " n"],
    shift: float,
    rotate_deg: float,
    scale: float,
) -> Images:
    """Mirror where `flip` and turn by quarters counter-clockwise, as `turn_panorama` does to the panorama of the same
    place; on top of that a small random affine map.

    Args:
        shift: largest translation, as a share of the side.
        rotate_deg: largest rotation.
        scale: largest change of scale, as a share.
    """
    angle = quarters * (math.pi / 2) + draws.uniform() * math.radians(rotate_deg)
    size = 1 + draws.uniform() * scale
    offset = draws.uniform(2) * (2 * shift)
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    mirror = torch.where(flip, -1.0, 1.0)
    theta = torch.stack(
        (torch.stack((mirror * cos, -mirror * sin, offset[:, 0]), 1), torch.stack((sin, cos, offset[:, 1]), 1)), 1
    )
    if not len(images):  # this worker has no row of a small batch, and affine_grid refuses an empty one
        return images
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shake_panorama(images: Images, draws: Draws, *, rotate_deg: float) -> Images:
    """Turn every camera by up to `rotate_deg`: a roll by whole columns."""
    width = images.shape[3]
    columns = (draws.uniform() * (rotate_deg * width / 360)).round().long()
    source = (torch.arange(width, device=images.device) + columns[:, None]) % width
    return images.gather(3, source[:, None, None, :].expand_as(images))


def tone(images: Images, draws: Draws, strength: float) -> Images:
    """Season and exposure: mix the colour channels, change contrast, and light the scene unevenly.

    What is black shows nothing, and stays black.
    """
    _, _, height, width = images.shape
    mixing = torch.eye(3, device=images.device) + draws.uniform(3, 3) * (0.5 * strength)
    mixing = mixing / mixing.sum(2, keepdim=True).clamp(min=0.3)
    seen, mean = _shown(images)
    offset = mean.flatten(2) - mixing @ mean.flatten(2)
    mixed = torch.baddbmm(offset, mixing, images.flatten(2)).unflatten(2, (height, width))
    field = light_field(draws, height, width)
    return mixed.mul_(field.mul_(0.5 * strength).exp_().mul_(seen))


def light_field(draws: Draws, height: int, width: int) -> Float[Tensor, "n 1 h w"]:
    """Smooth noise of unit order in three octaves: cloud shadows, patches, blotches."""
    octaves = [draws.normal(1, side, side * width // height) for side in (3, 6, 12)]
    fields = [F.interpolate(octave, (height, width), mode="bilinear", align_corners=False) for octave in octaves]
    return 0.8 * fields[0] + 0.6 * fields[1] + 0.6 * fields[2]


def erase(images: Images, draws: Draws, *, holes: int, largest: float) -> Images:
    """Paint random rectangles, each up to `largest` of the sides, with the image's mean; what is black stays black.

    Args:
        holes: rectangles per image.
        largest: share of the sides.
    """
    if not holes:
        return images
    _, _, height, width = images.shape
    y = torch.arange(height, device=images.device)[None, None]
    x = torch.arange(width, device=images.device)[None, None]
    centre, half = draws.uniform(2, holes, low=0.0), draws.uniform(2, holes, low=0.0) * (largest / 2)
    rows = (y - centre[:, 0, :, None] * height).abs() < half[:, 0, :, None] * height
    columns = (x - centre[:, 1, :, None] * width).abs() < half[:, 1, :, None] * width
    hole = torch.einsum("nkh,nkw->nhw", rows.float(), columns.float())[:, None] > 0
    seen, mean = _shown(images)
    return torch.where(hole & seen, mean, images)


def _shown(images: Images) -> tuple[Tensor, Tensor]:
    """Which pixels show something, and the mean of each image over these."""
    seen = shown(images)
    return seen, images.sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp(min=1)
