"""How many images an encoder can be trained on at a time on a card: measured on few before the first step."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ucvgl.networks.mixed import mixed_precision
from ucvgl.networks.towers import Encoder, TwoTowers, View, batch_statistics

logger = logging.getLogger(__name__)

FEW, MORE = 4, 12
"""Images of the two passes between which memory is taken to grow evenly."""
HEADROOM = 0.12
"""Share of the card that is left free: memory falls to pieces, and libraries take some for themselves."""
AUGMENTED = 8
"""Copies of a batch in float32 that augmentation needs at its peak."""


@dataclass(frozen=True)
class Need:
    """Memory of a forward and a backward pass, bytes: what it takes anyway, and what every image adds."""

    fixed: float
    each: float


def rows_that_fit(towers: TwoTowers, seen: Sequence[Sequence[View]], share: int, device: torch.device) -> int:
    """Images that an encoder should see at a time; 0: all of a step's at once.

    On a processor, and for networks that normalise over a batch, it is always all.

    Args:
        seen: the views of all sides of each kind of step.
        share: pairs of a step that are this worker's.

    Raises:
        ValueError: not even a single image fits.
    """
    if device.type != "cuda" or batch_statistics(towers):
        return 0
    sizes = {"query": towers.query_size, "reference": towers.reference_size}
    views: list[View] = sorted({view for views in seen for view in views})
    needs = {view: measured(towers.encoder(view), sizes[view], device) for view in views}
    weights = sum(part.numel() * part.element_size() for part in towers.parameters())
    free = free_bytes(device) - HEADROOM * torch.cuda.get_device_properties(device).total_memory
    free -= 3 * weights  # gradients and two moments
    free -= AUGMENTED * max(sum(share * 12 * math.prod(sizes[view]) for view in views) for views in seen)
    rows = rows_within(free, [[needs[view] for view in views] for views in seen], share)
    whole = max(sum(share * needs[view].each for view in views) for views in seen)
    logger.info(
        "a step takes %.1f GB if the encoders see all of its images at once, and %.1f GB are free: %s",
        whole / 1e9,
        free / 1e9,
        f"they see {rows} at a time" if rows else "they do",
    )
    return rows


def rows_within(free: float, kinds: Sequence[Sequence[Need]], share: int) -> int:
    """The largest equal parts of a step's images that fit into so many bytes; 0: they need not be cut.

    In parts an encoder keeps one part at a time; at once, all sides are kept.

    Args:
        kinds: of every kind of step, what its sides need.
        share: images of a side.

    Raises:
        ValueError: not even a single image fits.
    """
    if all(sum(side.fixed + share * side.each for side in sides) <= free for sides in kinds):
        return 0
    largest = min((free - side.fixed) / side.each for sides in kinds for side in sides)
    if largest < 1:
        raise ValueError(
            f"the card has {max(0.0, free) / 1e9:.1f} GB free, and training this model on one image takes more; take a "
            "smaller model.backbone or smaller images, or a card with more memory"
        )
    parts = max(2, math.ceil(share / math.floor(largest)))  # a side that is one part is not computed again, but kept
    return math.ceil(share / parts)


def measured(encoder: Encoder, size: tuple[int, int], device: torch.device) -> Need:
    """What a pass of an encoder takes, from two small ones; its gradients are dropped again."""
    peaks = []
    for count in (FEW, FEW, MORE):  # the first one also makes what stays, as gradients and workspaces
        torch.cuda.reset_peak_memory_stats(device)
        with mixed_precision(device):
            described = encoder(torch.rand(count, 3, *size, device=device))
        described.sum().backward()
        peaks.append(torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device))
    encoder.zero_grad(set_to_none=True)
    each = max(1.0, (peaks[2] - peaks[1]) / (MORE - FEW))
    return Need(max(0.0, peaks[1] - FEW * each), each)


def free_bytes(device: torch.device) -> float:
    """What this process may still allocate: what is free on the card, and what it holds and does not use."""
    torch.cuda.empty_cache()
    return float(torch.cuda.mem_get_info(device)[0])
