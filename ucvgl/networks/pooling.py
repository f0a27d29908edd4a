"""From the patches of an image to one descriptor: GeM for signed features, moments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class GeM(nn.Module):
    """Generalised mean (Radenovic et al. 2019) that keeps signs: the power mean of each sign's own magnitudes.

    The usual form, which EM-CVGL applies to features of both signs, clamps all that is negative to zero.
    """

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, patches: Float[Tensor, "n p c"]) -> Float[Tensor, "n c"]:
        """The generalised mean of the patches, channel by channel, which keeps the sign of features."""
        mean = (patches.sign() * patches.abs() ** self.power).mean(1)
        return mean.sign() * mean.abs().clamp(min=1e-12) ** (1 / self.power)


DISC = 0.6
"""Of the half side of a map: within is its disc, beyond its rim."""


def moments(maps: Sequence[Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n d"]:
    """Of every map the mean over its disc, the mean over its rim and the deviation of each channel, [n d], unit norm.

    A turn about the centre leaves all three nearly where they were. Each part weighs as much as any other.
    """
    parts = []
    for one in maps:
        height, width = one.shape[2:]
        down, right = (torch.linspace(-1, 1, 2 * size + 1, device=one.device)[1::2] for size in (height, width))
        radius = torch.hypot(down[:, None], right)
        disc = (radius <= radius.min().clamp(min=DISC)).to(one.dtype)
        parts += [(one * mask).sum((2, 3)) / mask.sum().clamp(min=1) for mask in (disc, 1 - disc)]
        parts.append(one.flatten(2).std(2, correction=0))
    return F.normalize(torch.cat([F.normalize(part, dim=1) for part in parts], dim=1), dim=1)
