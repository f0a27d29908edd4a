"""Panoramas that begin anywhere: the turns that are tried, and images as if north were in the middle of a panorama."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.poses import fields

Heading = Literal["known", "unknown"]
"""Whether panoramas have north in their middle, or begin anywhere."""
TURNS = 24
"""That are tried where the heading is unknown: half as many find 9 to 13 % fewer places, twice as many none or 2 % more
(`docs/localize.md`)."""


def turns_of(heading: Heading) -> Float[np.ndarray, " t"]:
    """By how many degrees photos are turned before they are described."""
    return np.arange(TURNS) * (360 / TURNS) if heading == "unknown" else np.zeros(1)


def turned(panorama: UInt8[np.ndarray, "h w 3"], degrees: float) -> UInt8[np.ndarray, "h w 3"]:
    """The same panorama with its middle so much farther clockwise, to a column."""
    return np.roll(panorama, -round(degrees / 360 * panorama.shape[1]), axis=1)


def upright(
    images: UInt8[np.ndarray, "n h w 3"], heading_deg: Float[np.ndarray, " n"], *, above: bool
) -> UInt8[np.ndarray, "n h w 3"]:
    """Panoramas, or their views from above, as if north were in the middle of each panorama.

    Args:
        heading_deg: where the middle of each panorama looks, clockwise from north.
        above: these are the views from above.
    """
    if not len(images):
        return images
    if above:
        return np.stack([fields.turned(image, float(of)) for image, of in zip(images, heading_deg, strict=True)])
    return np.stack([turned(image, -float(of)) for image, of in zip(images, heading_deg, strict=True)])


def best_turns(
    score: Float[np.ndarray, "n t k"], row: Int[np.ndarray, "n t k"]
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The k tiles that are most similar at any turn, best first, each once, and at which turn.

    They are exact where those of every turn are: whatever is better than a tile at that tile's best turn is better.
    Fewer than k tiles: the rest is -inf and -1.

    Args:
        score: of the best k tiles of each turn.
        row: of these tiles; -1: none.
    """
    count, turns, k = score.shape
    order = np.argsort(-score.reshape(count, turns * k), axis=1, kind="stable")
    best = np.full((count, k), -np.inf, np.float32), np.full((count, k), -1), np.zeros((count, k), int)
    for number, places in enumerate(order):
        rows = row[number].ravel()[places]
        first = np.sort(np.unique(rows, return_index=True)[1])
        kept = first[rows[first] >= 0][:k]
        for found, values in zip(best, (score[number].ravel()[places], rows, places // k), strict=True):
            found[number, : len(kept)] = values[kept]
    return best


def best_of_stacked(
    score: Float[np.ndarray, "m k"], row: Int[np.ndarray, "m k"], turns: int
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The same of photos that stand at their first turn, then all at their second, and so on."""
    return best_turns(*(some.reshape(turns, -1, some.shape[1]).swapaxes(0, 1) for some in (score, row)))
