"""The same pass on a graphics card, in PyTorch: tiles are multiplied, looked at and scored there.

Only a few numbers per vector and tile come to the host, which keeps the books (`ucvgl.retrieval.scan.Side`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucvgl.retrieval.cpu_tile import COLUMN_GROUP, ROW_GROUP
from ucvgl.retrieval.rounded import Rounded

Piece = tuple[int, np.ndarray | Tensor]
"""The number of its first vector, and vectors [_ d], float32."""
SCORED_AT_ONCE = 1 << 25
"""Numbers (pairs x d) scored in one go: bounds the memory."""


class DeviceTile:
    """One tile at a time, on a device; for what `ucvgl.retrieval.scan.Tile` does on a processor.

    Args:
        k: how many group maxima of each vector the host gets to see.
        integer: type that holds the bits of a number.
    """

    def __init__(self, k: int, integer: type) -> None:
        self.integer = integer
        self._k = k
        self._lowest = int(np.iinfo(integer).min)
        self._keys = self._of_rows = self._of_columns = torch.empty(0)

    def multiply(
        self, own: Rounded, other: Rounded
    ) -> tuple[Int[np.ndarray, "g q"], Int[np.ndarray, "b r"]]:
        """Make the tile; the highest group maxima along its rows and down its columns, [at most k, vectors]."""
        product = own.operand @ other.operand.T
        bits = product.view(torch.int16 if product.dtype == torch.bfloat16 else torch.int32)
        keys = torch.where(bits < 0, bits ^ (-self._lowest - 1), bits)
        height, width = keys.shape
        wide, high = (-size % group for size, group in ((width, ROW_GROUP), (height, COLUMN_GROUP)))
        self._keys = torch.nn.functional.pad(keys, (0, wide, 0, high), value=self._lowest)
        self._of_rows = self._keys[:height].unflatten(1, (-1, ROW_GROUP)).amax(2).T
        self._of_columns = self._keys[:, :width].unflatten(0, (-1, COLUMN_GROUP)).amax(1)
        return self._highest(self._of_rows), self._highest(self._of_columns)

    def row_candidates(
        self, cutoff: Int[np.ndarray, " v"], room: int
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]] | None:
        """Row, column and key of the elements that reach their row's cutoff; None where there is no room for all."""
        cut = torch.from_numpy(cutoff).to(self._keys.device)
        group, row = torch.nonzero(self._of_rows >= cut, as_tuple=True)
        members = self._keys.unflatten(1, (-1, ROW_GROUP))[row, group]
        found, member = torch.nonzero(members >= cut[row, None], as_tuple=True)
        return self._to_host(row[found], group[found] * ROW_GROUP + member, members[found, member], room)

    def column_candidates(
        self, cutoff: Int[np.ndarray, " v"], room: int
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]] | None:
        """The same for columns."""
        cut = torch.from_numpy(cutoff).to(self._keys.device)
        band, column = torch.nonzero(self._of_columns >= cut, as_tuple=True)
        members = self._keys.unflatten(0, (-1, COLUMN_GROUP))[band, :, column]
        found, member = torch.nonzero(members >= cut[column, None], as_tuple=True)
        return self._to_host(band[found] * COLUMN_GROUP + member, column[found], members[found, member], room)

    def _highest(self, maxima: Tensor) -> np.ndarray:
        return maxima.topk(min(self._k, len(maxima)), dim=0).values.cpu().numpy()

    def _to_host(self, row: Tensor, column: Tensor, keys: Tensor, room: int):
        if len(row) > room:
            return None
        return row.int().cpu().numpy(), column.int().cpu().numpy(), keys.cpu().numpy()


def resident(device: torch.device, pieces: Sequence[tuple[int, Float[np.ndarray, "_ d"]]]) -> Sequence[Piece]:
    """The pieces on the device, where they fill at most half of what is free there; else as they are.

    Scoring gathers a vector for every pair, several times as many as there are: on the card that costs next to nothing,
    on the host it is most of a search (`benchmarks/gpu_matching.py`).
    """
    needed = sum(piece.nbytes for _, piece in pieces)
    if device.type == "cuda" and needed > torch.cuda.mem_get_info(device)[0] / 2:
        return pieces
    return [(first, torch.from_numpy(np.require(piece, requirements="W")).to(device)) for first, piece in pieces]


def scores_on(
    own: Float[Tensor, "n d"],
    other: Float[np.ndarray, "m d"] | Float[Tensor, "m d"],
    row: Int[np.ndarray, " p"],
    column: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """`ucvgl.retrieval.best.exact_scores`, to the same bit: the same tree of the same float64 additions.

    Args:
        own: on the device that scores.
        other: there too, or on the host, from where each vector is sent that a pair needs.
        row: of `own`, one for each pair.
        column: of `other`, one for each pair.
    """
    d = own.shape[1]
    score = np.zeros(len(row))
    if not d or not len(row):
        return score
    if not isinstance(other, Tensor):
        needed, column = np.unique(column, return_inverse=True)
        other = torch.from_numpy(other[needed]).to(own.device)
    rows, columns = (torch.from_numpy(np.ascontiguousarray(which)).to(own.device) for which in (row, column))
    for start in range(0, len(row), max(1, SCORED_AT_ONCE // d)):
        part = slice(start, start + max(1, SCORED_AT_ONCE // d))
        terms = own[rows[part]].double() * other[columns[part]].double()
        while (width := terms.shape[1]) > 1:
            half = (width + 1) // 2
            terms[:, : width - half] += terms[:, half:]
            terms = terms[:, :half]
        score[part] = terms[:, 0].cpu().numpy()
    return score
