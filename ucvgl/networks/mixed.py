"""Which numbers networks compute with: bfloat16 where the processor or the card multiplies it fast, else float32."""

from __future__ import annotations

import torch

from ucvgl.retrieval.precision import bfloat16_is_fast


def mixed_precision(device: torch.device) -> torch.autocast:
    """A context in which convolutions and products are made in bfloat16, where that pays.

    A processor without instructions for it imitates them, several hundred times slower than float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_fast(str(device)))
