"""From the patches of an image to one descriptor: GeM for signed features, VLAD with centres fitted here, moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
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


class Vlad(nn.Module):
    """Sums of differences to the nearest centres, each normalised (Arandjelovic and Zisserman 2013)."""

    centres: Tensor

    def __init__(self, centres: Float[Tensor, "k c"]) -> None:
        super().__init__()
        self.register_buffer("centres", centres)

    def forward(self, patches: Float[Tensor, "n p c"]) -> Float[Tensor, "n d"]:
        """For each centre the sum of what its patches differ from it by, [n centres*c], unit norm."""
        patches = F.normalize(patches, dim=2)
        nearest = torch.cdist(patches, self.centres.expand(len(patches), -1, -1)).argmin(2)
        member = F.one_hot(nearest, len(self.centres)).to(patches.dtype)
        sums = torch.einsum("npk,npc->nkc", member, patches) - member.sum(1)[:, :, None] * self.centres
        return F.normalize(sums, dim=2).flatten(1)


def fit_centres(
    patches: Float32[np.ndarray, "n c"], *, count: int, seed: int = 0, steps: int = 25
) -> Float32[np.ndarray, "k c"]:
    """Centres for `Vlad`: spherical k-means of patch descriptors, by faiss.

    Args:
        count: of the centres.
        steps: of k-means.

    Raises:
        ValueError: fewer patches than centres.
    """
    import faiss

    if len(patches) < count:
        raise ValueError(f"adaptation.vlad_centres: {count} centres need as many patches, but there are {len(patches)}")
    unit = np.ascontiguousarray(patches / np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), 1e-12))
    found = faiss.Kmeans(
        unit.shape[1], count, niter=steps, seed=seed, spherical=True, min_points_per_centroid=1
    )
    found.train(unit)
    return np.asarray(found.centroids).reshape(count, -1)


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
