"""Files that are there whole or not at all, whoever reads them and whatever dies while they are written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file: it takes the place of `path` at the end, and is removed when there is an error.

    Folders above it are made. Patterns such as `*.npy` do not find the file while it is written. It is on the disk
    before it has its name: a machine that loses its power leaves the old file or the new one, and no empty one. Where
    `path` is a link, the link is replaced, and what it points to stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)  # whoever left it: it is not written through a link
    try:
        yield aside
        flush(aside)
        os.replace(aside, path)
        flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network and container file systems know no fsync of a folder
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Write a text: a reader sees the old content or the new, never a part."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an `.npy` file, whole or not at all."""
    with whole(path) as aside, aside.open("wb") as file:
        np.save(file, array)
