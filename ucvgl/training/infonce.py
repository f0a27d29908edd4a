"""Symmetric InfoNCE with label smoothing and a dustbin (UCVGL equation 1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

LARGEST_LOGIT_SCALE = math.log(100)
"""As in CLIP: with a temperature below 1 / 100 a batch whose pairs are all told apart would let it grow for ever."""


@torch.no_grad()
def bound_(logit_scale: Float[Tensor, ""]) -> None:
    """Keep a learnable temperature from becoming colder than that, after a step."""
    logit_scale.clamp_(max=LARGEST_LOGIT_SCALE)


def info_nce(
    queries: Float[Tensor, "n d"],
    references: Float[Tensor, "n d"],
    logit_scale: Float[Tensor, ""],
    *,
    label_smoothing: float = 0.0,
    labelled: Bool[Tensor, " n"] | None = None,
    weight: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, ""]:
    """Mean of the two directions' cross-entropies, where row i of one view belongs to row i of the other.

    Args:
        queries: unit-norm descriptors.
        logit_scale: logarithm of the inverse temperature.
        labelled: rows whose pair is known. The others only serve as negatives: their target, in both directions,
            is an extra column of zero logits, the dustbin. None: all are, and there is no dustbin.
        weight: of each row in the means; None: all count alike.
    """
    logits = logit_scale.exp() * queries @ references.T
    target = torch.arange(len(logits), device=logits.device)
    if labelled is None:
        both = (logits, logits.T)
    else:
        both = tuple(F.pad(each, (0, 1)) for each in (logits, logits.T))
        target = torch.where(labelled, target, len(logits))
    if weight is not None:
        rows = [F.cross_entropy(each, target, label_smoothing=label_smoothing, reduction="none") for each in both]
        return (weight * (rows[0] + rows[1])).sum() / (2 * weight.sum())
    losses = [F.cross_entropy(each, target, label_smoothing=label_smoothing) for each in both]
    return (losses[0] + losses[1]) / 2
