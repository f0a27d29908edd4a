"""Noise that is a function of place and seed, so that every ray sees the same texture."""

from __future__ import annotations

import math

from ucvgl.compiled import kernel


@kernel
def hashed(i: int, j: int, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on two integers and a seed."""
    h = (i * 374761393 + j * 668265263 + seed * 982451653) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 1103515245) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@kernel
def value_noise(x: float, y: float, seed: int) -> float:
    """Smooth noise in [0, 1] with one independent value per unit square."""
    i, j = math.floor(x), math.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    i, j = int(i), int(j)
    low = hashed(i, j, seed) * (1 - fx) + hashed(i + 1, j, seed) * fx
    high = hashed(i, j + 1, seed) * (1 - fx) + hashed(i + 1, j + 1, seed) * fx
    return low * (1 - fy) + high * fy
