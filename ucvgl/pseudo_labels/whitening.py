"""Whitening: descriptors of one view without what they all share, so that a similarity is about places.

After training without pairs most of the spread of a view's descriptors lies along few directions, such as light and
season, which tell its images from those of the other view and not one place from another. Divided by the spread along
each direction of their own view, descriptors of both views can be compared (as in VFM-Loc; `docs/matching.md` has what
it gains).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors, after which they have unit norm again.

    Args:
        mean: of the descriptors that it was made for.
        matrix: symmetric (ZCA), so that what both views share stays where it was.
        gaps: numbers that are 0 are not known, and taken for the mean (`ucvgl.poses.structure`).
    """

    mean: Float32[np.ndarray, " d"]
    matrix: Float32[np.ndarray, "d d"]
    gaps: bool = False

    def __call__(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """The same descriptors, whitened; one that equals the mean becomes zero."""
        return unit(_centred(vectors, self.mean, gaps=self.gaps) @ self.matrix)


def whitening(
    vectors: Float[np.ndarray, "n d"], *, shrinkage: float, gaps: bool = False, device: torch.device | str = "cpu"
) -> Whitening:
    """The whitening of the view that these descriptors were drawn from, found in float64.

    Args:
        shrinkage: added to the variance along every direction, as a share of the largest; directions of less variance
            are hardly amplified. Without limit it leaves centring alone.
        gaps: numbers that are 0 are not known.
        device: that multiplies, and finds the directions.

    Raises:
        ValueError: fewer than two descriptors.
    """
    if len(vectors) < 2:
        raise ValueError(f"{len(vectors)} descriptor cannot be whitened: it takes two to have a spread")
    known = np.maximum((vectors != 0).sum(0), 1) if gaps else len(vectors)
    mean = vectors.sum(0, dtype=np.float64) / known
    centred = _centred(vectors, mean, gaps=gaps)
    spread = torch.from_numpy(centred).to(device)
    variance, direction = torch.linalg.eigh(spread.T @ spread / len(vectors))
    variance = variance.clamp(min=0)
    largest = variance[-1] if variance[-1] > 0 else 1.0
    matrix = direction / (variance / largest + shrinkage).sqrt() @ direction.T
    return Whitening(mean.astype(np.float32), matrix.cpu().numpy().astype(np.float32), gaps)


def _centred(
    vectors: Float[np.ndarray, "n d"], mean: Float[np.ndarray, " d"], *, gaps: bool
) -> Float[np.ndarray, "n d"]:
    return np.where(vectors == 0, 0, vectors - mean) if gaps else vectors - mean


def whiten_looks(
    vectors: Float32[np.ndarray, "n w"],
    looks: Sequence[Whitening],
    columns: Sequence[Sequence[slice]],
    weights: Sequence[float],
) -> Float32[np.ndarray, "n w"]:
    """Descriptors that are made of several looks from several turns, each whitened on its own, weighted as before.

    Args:
        looks: of each look, the same for all of its turns.
        columns: where each look from each of its turns stands.
        weights: of each look in the similarity.
    """
    whitened = np.empty_like(vectors)
    for look, turns, weight in zip(looks, columns, weights, strict=True):
        for at in turns:
            whitened[:, at] = look(unit(vectors[:, at])) * np.float32((weight / len(turns)) ** 0.5)
    return whitened


def unit(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """The same directions with unit norm; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
