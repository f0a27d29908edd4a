"""Images of 16 bits as images of 8, by the numbers that they use."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8, UInt16

OUTLIERS = 0.001
"""Share of an image's numbers, at either end, that say nothing of its range: glints and hot pixels."""
SAID_NOTHING = (0, 65535)
"""What stands where nothing was measured, or too much: these do not count for the range either."""
FEWEST_LEVELS = 32
"""Of 256 that an image may be left with; one of less, of numbers near each other, is counted from its lowest."""
LOOKED_AT = 2**20
"""Pixels of an image by which its range is told, evenly spread."""


def range_of(deep: UInt16[np.ndarray, "h w c"]) -> tuple[int, int]:
    """The lowest and highest number that an image uses, but for outliers; 0, 0 where it has none."""
    step = math.ceil(math.sqrt(max(1.0, deep.shape[0] * deep.shape[1] / LOOKED_AT)))
    counts = np.bincount(deep[::step, ::step].ravel(), minlength=65536)
    counts[list(SAID_NOTHING)] = 0
    total = int(counts.sum())
    if not total:
        return 0, 0
    below = np.cumsum(counts)
    lowest, highest = np.searchsorted(below, (OUTLIERS * total, total - OUTLIERS * total), side="right")
    top = int(np.flatnonzero(counts)[-1])
    return min(int(lowest), top), min(int(highest), top)


def rule_of(lowest: int, highest: int) -> tuple[int, int]:
    """What is taken off every number, and by how many bits it is then shifted, so that the range fits 8 bits."""
    shift = max(0, highest.bit_length() - 8)
    if shift and highest - lowest >= FEWEST_LEVELS > (highest - lowest) >> shift:
        return lowest, max(0, (highest - lowest).bit_length() - 8)
    return 0, shift


def as_8_bits(deep: UInt16[np.ndarray, "h w c"], base: int, shift: int) -> UInt8[np.ndarray, "h w c"]:
    """By a rule of `rule_of`; changes `deep`, which has gigabytes. What lies outside becomes black or white."""
    np.clip(deep, base, min(65535, base + (256 << shift) - 1), out=deep)
    np.subtract(deep, np.uint16(base), out=deep)
    return np.ascontiguousarray(np.right_shift(deep, shift, out=deep), np.uint8)
