"""How workers share what one of them can do alone: each takes every so-manyth piece, and reads the next one ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ucvgl.atomic import whole
from ucvgl.training import workers

Piece = TypeVar("Piece")
Read = TypeVar("Read")


def mine(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """The pieces that are this worker's."""
    return pieces[workers.rank() :: workers.size()]


def read_ahead(read: Callable[[Piece], Read], pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Read]]:
    """Every piece and what was read of it, while a thread reads the next one."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(read, piece) for piece in pieces[:1]]
        for number, piece in enumerate(pieces):
            found = coming.pop().result()
            if number + 1 < len(pieces):
                coming.append(pool.submit(read, pieces[number + 1]))
            yield piece, found


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Publish some arrays by name, as one `.npz` file that is whole when it exists."""
    with whole(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)
