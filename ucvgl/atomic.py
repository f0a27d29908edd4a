"""Files that are there whole or not at all, whoever reads them and whatever dies while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file: it takes the place of `path` at the end, and is removed when there is an error.

    Folders above it are made. Patterns such as `*.npy` do not find the file while it is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text: a reader sees the old content or the new, never a part."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an `.npy` file, whole or not at all."""
    with whole(path) as aside, aside.open("wb") as file:
        np.save(file, array)
