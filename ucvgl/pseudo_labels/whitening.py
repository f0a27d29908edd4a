"""Whitening: descriptors of one view without what they all share, so that a similarity is about places.

After training without pairs most of the spread of a view's descriptors lies along few directions, such as light and
season, which tell its images from those of the other view and not one place from another. Divided by the spread along
each direction of their own view, descriptors of both views can be compared (as in VFM-Loc; `docs/matching.md` has what
it gains).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors, after which they have unit norm again.

    Args:
        mean: of the descriptors that it was made for.
        matrix: symmetric (ZCA), so that what both views share stays where it was.
    """

    mean: Float32[np.ndarray, " d"]
    matrix: Float32[np.ndarray, "d d"]

    def __call__(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """The same descriptors, whitened; one that equals the mean stays zero."""
        white = (vectors - self.mean) @ self.matrix
        return white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def whitening(vectors: Float[np.ndarray, "n d"], *, shrinkage: float) -> Whitening:
    """The whitening of the view that these descriptors were drawn from.

    Args:
        shrinkage: added to the variance along every direction, as a share of the largest; directions of less variance
            are hardly amplified. Without limit it leaves centring alone.

    Raises:
        ValueError: fewer than two descriptors.
    """
    if len(vectors) < 2:
        raise ValueError(f"{len(vectors)} descriptor cannot be whitened: it takes two to have a spread")
    mean = vectors.mean(0, dtype=np.float64)
    centred = vectors - mean
    variance, direction = np.linalg.eigh(centred.T @ centred / len(vectors))
    variance = np.maximum(variance, 0)
    largest = variance[-1] or 1.0
    matrix = direction / np.sqrt(variance / largest + shrinkage) @ direction.T
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))
