"""Photos that begin anywhere: one is described at several turns, and a tile is as similar as at the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.poses.turns import Heading, best_turns, turned, turns_of
from ucvgl.settings.experiment import Projection


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


def each_turned(panorama: UInt8[np.ndarray, "h w 3"], heading: Heading) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The panorama as it is described, turn by turn."""
    return (turned(panorama, degrees) for degrees in turns_of(heading))


def search(
    find: Callable[[Float[np.ndarray, "m d"], int], tuple[Float[np.ndarray, "m k"], Int[np.ndarray, "m k"]]],
    vectors: Float[np.ndarray, "n t d"],
    k: int,
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Similarities and rows of the best k tiles of photos that are described at several turns, and at which turn.

    Args:
        find: gives similarities and rows of the best k tiles of descriptors, best first.
    """
    score, row = find(vectors.reshape(-1, vectors.shape[2]), k)
    shape = *vectors.shape[:2], score.shape[1]
    return best_turns(score.reshape(shape), row.reshape(shape))
