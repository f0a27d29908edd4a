"""The vectors as the fast product sees them, and how far that product can be from the score.

In float32 they are what they are. In bfloat16 each side is centred first, because rounding errors grow with the
vectors while what tells partners apart does not: with c and e the centres of queries q and references r,

    q . r  =  (q - c) . (r - e)  +  (q - c) . e  +  c . (r - e)  +  c . e.

The second and third terms are a bias of the query and one of the reference. Each is written as three bfloat16 parts,
beside three ones on the other side, so that the same product adds them (`BIAS_COLUMNS`). The last is the `offset`.

Write x = q - c, y = r - e, X and Y for what is multiplied, a and b for the biases. For the exact product P of the
rounded vectors with their bias columns

    |P + offset - q . r|  <=  |X - x| |Y| + |x| |Y - y| + |a - sum of its parts| + |b - sum of its parts|

(Cauchy-Schwarz), and a product f of the machine, which multiplies bfloat16 or float32 numbers and adds up in
float32 in any order, has (Higham 2002, section 3.1), with d the columns and u the `unit` of its additions,

    |f - P|  <=  g (|X| |Y| + |a| + |b|),    g = (d + 2) u / (1 - (d + 2) u),

plus d 2^-124 where terms underflow. u = 2^-24 holds for IEEE arithmetic, with or without fused multiply-add. Matrix
units of graphics cards cut digits off instead of rounding, after aligning few terms at a time: 2^-22 covers these.
Writing f as bfloat16 moves it by at most `rounding` |f|, rounding = 2^-8 (1 + 2^-7). `error_bounds` gives for each
vector of one side what holds with any vector of the other; the two additional terms in d and a share of 2^-16 cover
the roundings made in computing the bound itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ucvgl.compiled import kernel_in_any_order

BIAS_PARTS = 3
BIAS_COLUMNS = 2 * BIAS_PARTS
ALIGNED = 32
"""Columns of a bfloat16 matrix come in multiples of this, which matrix units like; zeros fill up."""

BFLOAT16_ROUNDING = 2.0**-8 * (1 + 2.0**-7)


@dataclass(frozen=True)
class Rounded:
    """Some vectors of one side, ready to multiply; the numbers bound what was lost."""

    operand: Float[Tensor, "n columns"]
    size: Float[np.ndarray, " n"]
    """Length of the rounded vector, without bias columns."""
    lost: Float[np.ndarray, " n"]
    """Length of what rounding took away."""
    bias: Float[np.ndarray, " n"]
    bias_lost: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Extent:
    """The largest sizes of one side."""

    size: float
    lost: float
    bias: float
    bias_lost: float


def extent(side: Rounded) -> Extent:
    """The largest of each quantity that the error bound of a side is made of."""
    return Extent(*(float(getattr(side, name).max(initial=0)) for name in ("size", "lost", "bias", "bias_lost")))


def error_bounds(own: Rounded, other: Extent, *, unit: float = 2.0**-24) -> Float[np.ndarray, " n"]:
    """How far a product, before it is written as bfloat16, can be from the score, for any partner."""
    columns = own.operand.shape[1]
    summing = (columns + 2) * unit / (1 - (columns + 2) * unit)
    bound = own.lost * other.size + (own.size + own.lost) * other.lost + own.bias_lost + other.bias_lost
    bound += summing * (own.size * other.size + own.bias + other.bias)
    return bound * (1 + 2.0**-16) + columns * 2.0**-124


def as_float32(vectors: Float[Tensor, "n d"]) -> Rounded:
    """Float32 vectors, multiplied in float32."""
    none = np.zeros(len(vectors))
    return Rounded(vectors, _at_least(torch.linalg.vector_norm(vectors, dim=1), vectors.shape[1]), none, none, none)


def rounded(
    vectors: Float[Tensor, "n d"], centre: Float[Tensor, " d"], other_centre: Float[Tensor, " d"], *, first: bool
) -> Rounded:
    """Centred bfloat16 vectors with their bias columns, which for the `first` side of a product come first.

    Args:
        centre: of this side, subtracted before rounding.
        other_centre: of the other side, which the bias columns make up for.
    """
    n, d = vectors.shape
    columns = -(-(d + BIAS_COLUMNS) // ALIGNED) * ALIGNED
    operand = torch.empty(n, columns, dtype=torch.bfloat16, device=vectors.device)
    operand[:, d:] = 0
    centred = _centred_on_processor if vectors.device.type == "cpu" else _centred
    length, size, lost, bias = centred(vectors, centre, other_centre, operand)
    rest = bias.clone()
    own, ones = (d, d + BIAS_PARTS) if first else (d + BIAS_PARTS, d)
    for part in range(BIAS_PARTS):
        operand[:, own + part] = rest
        rest -= operand[:, own + part]
    operand[:, ones : ones + BIAS_PARTS] = 1
    towards = torch.linalg.vector_norm(other_centre, dtype=torch.float64).item()
    length, size, lost = (_at_least(side, d) for side in (length, size, lost))
    return Rounded(
        operand,
        size=size + 0 * length,  # not a number where the vector is not, whatever bfloat16 makes of it
        lost=lost + 2.0**-23 * length,
        bias=_numpy(bias.abs()),
        bias_lost=_numpy(rest.abs()) + (d + 2) * 2.0**-23 * length * towards,
    )


def _centred(vectors: Tensor, centre: Tensor, other_centre: Tensor, operand: Tensor) -> tuple[Tensor, ...]:
    """Write the centred vectors into the operand; their lengths before and after, of what was lost, and biases."""
    d = vectors.shape[1]
    x = vectors - centre  # each number within 2^-24 of itself
    operand[:, :d] = x
    length, bias = torch.linalg.vector_norm(x, dim=1), x @ other_centre
    x -= operand[:, :d]  # exact: the digits that bfloat16 has no room for
    size = torch.linalg.vector_norm(operand[:, :d].float(), dim=1)
    return length, size, torch.linalg.vector_norm(x, dim=1), bias


def _centred_on_processor(vectors: Tensor, centre: Tensor, other_centre: Tensor, operand: Tensor) -> tuple[Tensor, ...]:
    """The same in one go: the memory is read once."""
    sums = torch.empty(4, len(vectors))
    arrays = (side.contiguous().numpy() for side in (vectors, centre, other_centre))
    _centre_rows(*arrays, operand.view(torch.int16).numpy(), sums.numpy())
    sums[:3].sqrt_()
    return tuple(sums)


@kernel_in_any_order
def _centre_rows(vectors, centre, other_centre, bits, sums):
    d = vectors.shape[1]
    x, near = np.empty(d, np.float32), np.empty(d, np.float32)
    x_bits, near_bits = x.view(np.int32), near.view(np.int32)
    for row in range(len(vectors)):
        for i in range(d):
            x[i] = vectors[row, i] - centre[i]
        for i in range(d):
            upper = (x_bits[i] + 0x7FFF + ((x_bits[i] >> 16) & 1)) >> 16  # to nearest, ties to even
            bits[row, i] = upper
            near_bits[i] = upper << 16
        length = size = lost = bias = np.float32(0)
        for i in range(d):
            length += x[i] * x[i]
            size += near[i] * near[i]
            lost += (x[i] - near[i]) * (x[i] - near[i])
            bias += x[i] * other_centre[i]
        sums[0, row], sums[1, row], sums[2, row], sums[3, row] = length, size, lost, bias


def _at_least(length: Tensor, d: int) -> np.ndarray:
    """What the true lengths do not exceed, of those found by float32 sums of squares, which may underflow."""
    return _numpy(length) * (1 + (d + 2) * 2.0**-23) + d**0.5 * 2.0**-62


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
