"""Small files that are read whole: regular ones, of a size that makes sense."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_IN_RECORD = 2**28
"""Bytes of what a stage says of itself."""


class NotPlain(ValueError):
    """No file that is read whole; why."""


def read_plain(path: Path, most: int) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        OSError: it cannot be read.
        NotPlain: it is a pipe, which would be waited for, a device, a folder, or larger.
    """
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode):
        raise NotPlain("it is no regular file")
    if seen.st_size > most:
        raise NotPlain(f"it has {seen.st_size:,} bytes, more than {most:,}")
    return path.read_bytes()


def refuse_irregular(folder: Path) -> None:
    """Refuse the folder of a run that holds a pipe, a socket or a device in the place of a file.

    Raises:
        ValueError: there is one.
    """
    for home, _, files in os.walk(folder):
        for name in files:
            refuse_no_file(Path(home, name))


def refuse_no_file(path: Path) -> None:
    """Refuse a pipe, a socket or a device in the place of a file.

    Raises:
        ValueError: it is one.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a pipe, a socket or a device, and no file of a run; remove it")
