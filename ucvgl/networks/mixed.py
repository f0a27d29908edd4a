"""Which numbers networks compute with: bfloat16 where the processor or the card multiplies it fast, else float32, or
half precision on cards that have matrix units and no bfloat16."""

from __future__ import annotations

import torch

from ucvgl.retrieval.precision import bfloat16_is_fast

MATRIX_UNITS = (7, 0)
"""Compute capability from which on cards multiply half precision fast (Volta, Turing)."""


def mixed_precision(device: torch.device) -> torch.autocast:
    """A context in which convolutions and products are made in few digits, where that pays.

    A processor without instructions for bfloat16 imitates them, several hundred times slower than float32.
    """
    if in_half(device):
        return torch.autocast(device.type, torch.float16)
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_fast(str(device)))


def in_half(device: torch.device) -> bool:
    """Whether half precision is meant, whose gradients have to be scaled in training."""
    if device.type != "cuda":
        return False
    return torch.cuda.get_device_capability(device) >= MATRIX_UNITS and not bfloat16_is_fast(str(device))
