"""The best k partners of each of many vectors: scores decide, and float32 products rule pairs out.

The score of a pair is `exact_scores`: a float64 number that depends on its two vectors alone. Equal scores go
to the lowest index. So the order in which tiles arrive, and how they are cut, cannot change an answer by a
single bit.

`Best.update` serves tiles in which so many pairs are nearly as good as the best that a coarser product tells
nothing. With b the bound of `ucvgl.retrieval.rounded.error_bounds` for float32, only these pairs of a row need a score:

* Where k pairs of the tile have f >= t, these have s >= t - b. A pair with f < t - 2 b has s < t - b: out.
* Where k pairs with s >= t are known from before, a pair with f < t - b has s < t: out.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from ucvgl.compiled import kernel

GROUP = 32
"""Columns of a tile of which first only the maximum is looked at; not neighbours, but evenly spread."""

SCORED_AT_ONCE = 1 << 16
"""Pairs: bounds the memory where ties abound."""


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
        lowest = _below(self.score[first_own : first_own + len(own), -1] - error).to(product.device)
        row, group = torch.nonzero(highest >= lowest[:, None], as_tuple=True)
        if k <= highest.shape[1] and len(row) > k * len(own) // 2:  # k products reach the k-th best maximum
            kth = highest.topk(k).values[:, -1].double().cpu().numpy()
            lowest = torch.maximum(lowest, _below(kth - 2 * error).to(product.device))
            row, group = torch.nonzero(highest >= lowest[:, None], as_tuple=True)
        for start in range(0, len(row), SCORED_AT_ONCE // GROUP):
            some = slice(start, start + SCORED_AT_ONCE // GROUP)
            members = product.unflatten(1, (GROUP, -1))[row[some], :, group[some]]
            found, member = torch.nonzero(members >= lowest[row[some], None], as_tuple=True)
            rows = row[some][found].cpu().numpy()
            columns = (member * highest.shape[1] + group[some][found]).cpu().numpy()
            self.insert(first_own + rows, exact_scores(own, other, rows, columns), first_other + columns)

    def insert(self, row: Int[np.ndarray, " p"], score: Float[np.ndarray, " p"], index: Int[np.ndarray, " p"]) -> None:
        """Take in scored partners, no pair twice: `index[i]` of the vector `row[i]`."""
        _insert(self.score, self.index, row, score, index)


def exact_scores(
    own: Float32[np.ndarray, "n d"],
    other: Float32[np.ndarray, "m d"],
    row: Int[np.ndarray, " p"],
    column: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Inner products own[row] . other[column] in float64: exact products, summed in a tree that d fixes.

    Each level of the tree adds the second half of the terms to the first.

    Args:
        row: of `own`, one for each pair.
        column: of `other`, one for each pair.
    """
    score = np.zeros(len(row))
    if own.shape[1]:
        _score(own, other, row, column, score)
    return score


@kernel
def _score(own, other, row, column, score):
    d = own.shape[1]
    terms = np.empty(d)
    for pair in range(len(row)):
        a, b = own[row[pair]], other[column[pair]]
        for i in range(d):
            terms[i] = np.float64(a[i]) * np.float64(b[i])
        width = d
        while width > 1:
            half = (width + 1) // 2
            low, high = terms[: width - half], terms[half:width]
            for i in range(width - half):
                low[i] += high[i]
            width = half
        score[pair] = terms[0]


@kernel
def _insert(best_score, best_index, row, score, index):
    for pair in range(len(row)):
        s, other = score[pair], index[pair]
        scores, others = best_score[row[pair]], best_index[row[pair]]
        for rank in range(len(scores)):
            if s > scores[rank] or (s == scores[rank] and other < others[rank]):
                s, scores[rank] = scores[rank], s
                other, others[rank] = others[rank], other


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
