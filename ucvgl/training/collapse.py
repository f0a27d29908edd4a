"""Collapse: an encoder that describes all images alike, so that nothing can be told apart any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SPREAD = "spread"
"""Ending of the name under which a training logs the spread of its descriptors."""
COLLAPSED = 0.02
"""Spread below which an encoder has collapsed. Measured: 0.27 to 0.97 in trainings that learned, also before their
first step, and 0.0005 and 0.0085 in one whose loss never left its plateau."""


@torch.no_grad()
def spread(vectors: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean squared distance of unit-norm descriptors from their mean: 0 where all are equal, at most 1."""
    return 1 - vectors.float().mean(0).square().sum()


def collapse(row: Mapping[str, Any]) -> str | None:
    """What to say about the last numbers of a training whose encoder has collapsed; None where it has not."""
    if row.get("step") != row.get("steps"):
        return None
    low = {key: value for key, value in row.items() if key.endswith(SPREAD) and value < COLLAPSED}
    if not low:
        return None
    return (
        f"{row['stage']} ends with an encoder that describes all images alike "
        f"({', '.join(f'{key} {value:.2g}' for key, value in low.items())}, where learning ones have 0.3 to 1): its "
        "matches mean nothing. A smaller contrast.learning_rate or more cold_start.intra_epochs are the usual ways out"
    )
