"""Photos that begin anywhere: one is described at several turns, and a tile is as similar as at the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.settings.experiment import Projection

Heading = Literal["known", "unknown"]
"""Whether panoramas have north in their middle, or begin anywhere."""
TURNS = 24
"""That are tried where the heading is unknown: half as many find 9 to 13 % fewer places, twice as many none or 2 % more
(`docs/localize.md`)."""


def check_heading(heading: Heading, projection: Projection) -> None:
    """Refuse to turn what is no panorama.

    Raises:
        ValueError: photos of this run are not projected as panoramas are.
    """
    if heading == "unknown" and not projection.bev:
        raise ValueError(
            "an unknown heading is that of panoramas, and this run makes no bird's-eye views of its photos: ask with "
            "--heading known"
        )


def turns_of(heading: Heading) -> Float[np.ndarray, " t"]:
    """By how many degrees photos are turned before they are described."""
    return np.arange(TURNS) * (360 / TURNS) if heading == "unknown" else np.zeros(1)


def turned(panorama: UInt8[np.ndarray, "h w 3"], degrees: float) -> UInt8[np.ndarray, "h w 3"]:
    """The same panorama with its middle so much farther clockwise, to a column."""
    return np.roll(panorama, -round(degrees / 360 * panorama.shape[1]), axis=1)


def each_turned(panorama: UInt8[np.ndarray, "h w 3"], heading: Heading) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The panorama as it is described, turn by turn."""
    return (turned(panorama, degrees) for degrees in turns_of(heading))


def search(
    find: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]], vectors: Float[np.ndarray, "n t d"], k: int
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Similarities and rows of the best k tiles of photos that are described at several turns, and at which turn.

    Args:
        find: gives similarities and rows of the best k tiles of descriptors, best first.
    """
    score, row = find(vectors.reshape(-1, vectors.shape[2]), k)
    shape = *vectors.shape[:2], score.shape[1]
    return best_turns(score.reshape(shape), row.reshape(shape))


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
    order = np.argsort(-score.reshape(count, -1), axis=1, kind="stable")
    best = np.full((count, k), -np.inf, np.float32), np.full((count, k), -1), np.zeros((count, k), int)
    for number, places in enumerate(order):
        rows = row[number].ravel()[places]
        first = np.sort(np.unique(rows, return_index=True)[1])
        kept = first[rows[first] >= 0][:k]
        for found, values in zip(best, (score[number].ravel()[places], rows, places // k), strict=True):
            found[number, : len(kept)] = values[kept]
    return best
