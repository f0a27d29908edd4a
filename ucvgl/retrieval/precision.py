"""Which numbers the fast product is made of: bfloat16 where the processor multiplies it fast, else float32."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ucvgl.retrieval.rounded import BFLOAT16_ROUNDING, Rounded, as_float32, rounded

WIDE = 128
"""Below this many numbers per vector, the product is too small a share for bfloat16 to pay."""


@dataclass(frozen=True)
class Precision:
    """How vectors are rounded for the fast product, and what it loses.

    Args:
        rounding: relative error of a number as written into a tile.
        offset: what to add to a number to get near the score.
        unit: rounding error of the additions inside the product.
    """

    dtype: torch.dtype
    integer: type
    rounding: float
    offset: float
    unit: float
    centres: tuple[Tensor, ...]

    def queries(self, vectors: Float[Tensor, "n d"]) -> Rounded:
        """The queries as the fast product takes them."""
        if self.dtype == torch.float32:
            return as_float32(vectors)
        return rounded(vectors, *self.centres, first=True)

    def references(self, vectors: Float[Tensor, "n d"]) -> Rounded:
        """The references as the fast product takes them."""
        if self.dtype == torch.float32:
            return as_float32(vectors)
        return rounded(vectors, *self.centres[::-1], first=False)


def precision_for(
    d: int,
    query_centre: Float32[np.ndarray, " d"],
    reference_centre: Float32[np.ndarray, " d"],
    dtype: torch.dtype | None = None,
    device: str = "cpu",
) -> Precision:
    """The kind of product that is asked for, or that suits vectors of `d` numbers on this device.

    Args:
        query_centre: what is subtracted from the queries before they are rounded.
        reference_centre: the same for the references.
        dtype: bfloat16 or float32; None: what suits.

    Raises:
        ValueError: float32 products are set to be made of fewer digits.
    """
    if dtype is None:
        dtype = torch.bfloat16 if d >= WIDE and bfloat16_is_fast(device) else torch.float32
    unit = 2.0**-24 if device == "cpu" else 2.0**-22
    centres = tuple(torch.from_numpy(centre).to(device) for centre in (query_centre, reference_centre))
    if dtype == torch.bfloat16:
        offset = float(query_centre.astype(np.float64) @ reference_centre.astype(np.float64))
        return Precision(dtype, np.int16, BFLOAT16_ROUNDING, offset, unit, centres)
    if torch.get_float32_matmul_precision() != "highest":
        raise ValueError("exact matching needs torch.set_float32_matmul_precision('highest'), the default")
    return Precision(torch.float32, np.int32, 0.0, 0.0, unit, centres)


@cache
def bfloat16_is_fast(device: str = "cpu") -> bool:
    """Whether the device has instructions for bfloat16 products, and they add up in float32."""
    if device == "cpu":
        has = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    else:
        has = torch.cuda.get_device_capability(device) >= (8, 0)
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    return has and adds_up_in_float32(device)


def adds_up_in_float32(device: str) -> bool:
    """Whether small terms survive beside a large sum, as the error bounds take for granted; tried, not looked up."""
    d = 4096
    small = torch.full((64, d), 2.0**-10)
    small[:, 0] = 1
    rows, ones = small.to(device, torch.bfloat16), torch.ones(64, d, device=device, dtype=torch.bfloat16)
    product = (rows @ ones.T).double()
    return bool((product - (1 + (d - 1) * 2.0**-10)).abs().max() <= 2.0**-7)
