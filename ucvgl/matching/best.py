"""The best k partners of each of many vectors: float32 products rule pairs out, float64 scores decide.

The score of a pair is `exact_scores`: a float64 number that depends on its two vectors alone. Equal scores go
to the lowest index. So the order in which tiles arrive, and how they are cut, cannot change an answer by a
single bit.

For the float32 product f of vectors q and r, its exact value p, and u = 2^-24, any order of summation, with
or without fused multiply-add, gives (Higham 2002, section 3.1; then Cauchy-Schwarz)

    |f - p| <= gamma_d sum_i |q_i r_i| <= gamma_d |q| |r|,    gamma_d = d u / (1 - d u),

plus at most d 2^-124 where terms underflow. The score s is closer to p than u |q| |r|; taking d + 2 for d
covers that and the rounding of norms and thresholds. So |f - s| <= b = gamma_{d+2} |q| max|r| + d 2^-124, and
of a row of a tile only these pairs need a score (`Best.update`):

* Where k pairs of the tile have f >= t, these have s >= t - b. A pair with f < t - 2 b has s < t - b: out.
* Where k pairs with s >= t are known from before, a pair with f < t - b has s < t: out.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

GROUP = 32
"""Columns of a tile of which first only the maximum is looked at; not neighbours, but evenly spread."""

RESCORED_AT_ONCE = 1 << 16
"""Numbers (pairs x d) rescored in one go: they stay in the cache, and bound the memory where ties abound."""


class Best:
    """The best k partners found so far of `count` vectors, best first; absent: score -inf, index -1."""

    def __init__(self, count: int, k: int) -> None:
        self.score = np.full((count, k), -np.inf)
        self.index = np.full((count, k), -1)

    def update(
        self,
        own: Float32[np.ndarray, "n d"],
        other: Float32[np.ndarray, "m d"],
        product: Float32[torch.Tensor, "n padded"],
        *,
        error: Float[np.ndarray, " n"],
        first_own: int,
        first_other: int,
    ) -> None:
        """Take in a tile: the rows `first_own...`, against partners numbered `first_other...`.

        Args:
            product: of `own` and `other` in float32, widened by -inf to a multiple of `GROUP`.
            error: the bound b of each row.
        """
        k = self.score.shape[1]
        highest = _group_maxima(product)
        lowest = _below(self.score[first_own : first_own + len(own), -1] - error)
        if k <= highest.shape[1]:  # k products reach the k-th best maximum
            kth = highest.topk(k).values[:, -1].double().numpy()
            lowest = torch.maximum(lowest, _below(kth - 2 * error))
        row, group = torch.nonzero(highest >= lowest[:, None], as_tuple=True)
        members = product.unflatten(1, (GROUP, -1))[row, :, group]
        found, member = torch.nonzero(members >= lowest[row, None], as_tuple=True)
        row, column = row[found].numpy(), (member * highest.shape[1] + group[found]).numpy()
        self.insert(first_own + row, exact_scores(own, other, row, column), first_other + column)

    def insert(
        self, row: Int[np.ndarray, " p"], score: Float[np.ndarray, " p"], index: Int[np.ndarray, " p"]
    ) -> None:
        """Take in scored partners: `index[i]` of the vector `row[i]`."""
        k, touched = self.score.shape[1], np.unique(row)
        row = np.concatenate((np.repeat(touched, k), row))
        score = np.concatenate((self.score[touched].ravel(), score))
        index = np.concatenate((self.index[touched].ravel(), index))
        order = np.lexsort((index, -score, row))
        row = row[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < k
        self.score[row[kept], rank[kept]] = score[order[kept]]
        self.index[row[kept], rank[kept]] = index[order[kept]]


def exact_scores(
    own: Float32[np.ndarray, "n d"],
    other: Float32[np.ndarray, "m d"],
    row: Int[np.ndarray, " p"],
    column: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Inner products own[row] . other[column] in float64: exact products, summed in a tree that d fixes."""
    dimension = own.shape[1]
    at_once = max(1, RESCORED_AT_ONCE // max(1, dimension))
    score = np.zeros(len(row))
    for start in range(0, len(row) if dimension else 0, at_once):
        part = slice(start, start + at_once)
        terms = np.multiply(own[row[part]], other[column[part]], dtype=np.float64)
        while (width := terms.shape[1]) > 1:
            half = (width + 1) // 2
            terms[:, : width - half] += terms[:, half:]
            terms = terms[:, :half]
        score[part] = terms[:, 0]
    return score


def error_bounds(
    norm: Float[np.ndarray, " n"], other_norm: Float[np.ndarray, " m"], dimension: int
) -> Float[np.ndarray, " n"]:
    """The bound b of each vector, whatever partner of the other side it meets."""
    rounding = (dimension + 2) * 2.0**-24
    return rounding / (1 - rounding) * norm * other_norm.max(initial=0) + dimension * 2.0**-124


def float32_product(
    own: Float32[np.ndarray, "n d"], other: Float32[np.ndarray, "m d"]
) -> Float32[torch.Tensor, "n_padded m_padded"]:
    """All inner products of a tile, widened by -inf to multiples of `GROUP`."""
    height, width = (-(-len(side) // GROUP) * GROUP for side in (own, other))
    ragged = (height, width) != (len(own), len(other))
    product = torch.full((height, width), -torch.inf) if ragged else torch.empty(height, width)
    torch.mm(torch.from_numpy(own), torch.from_numpy(other).T, out=product[: len(own), : len(other)])
    return product


def _group_maxima(product: Float32[torch.Tensor, "n padded"]) -> Float32[torch.Tensor, "n groups"]:
    if product.is_contiguous():
        return product.unflatten(1, (GROUP, -1)).amax(1)
    return product.T.unflatten(0, (GROUP, -1)).amax(0).T  # the same, along the memory: many times faster


def _below(values: Float[np.ndarray, " n"]) -> Float32[torch.Tensor, " n"]:
    """A float32 that is not above the value, but above -inf, which only fills up tiles."""
    below = np.nextafter(values.astype(np.float32), np.float32(-np.inf))
    return torch.from_numpy(below.clip(min=np.finfo(np.float32).min))
