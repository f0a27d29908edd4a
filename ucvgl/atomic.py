"""Files that are there whole or not at all, whoever reads them and whatever dies while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np


def _leave(aside: Path, path: Path) -> None:
    """Files of this machine alone need nothing before they get their names."""


before_naming: Callable[[Path, Path], None] = _leave
"""Gets a file that is written, and the name that it is about to get: what lies in a bucket is uploaded first
(`ucvgl.files.cached`)."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file: it takes the place of `path` at the end, and is removed when there is an error.

    Folders above it are made. Patterns such as `*.npy` do not find the file while it is written. It is on the disk
    before it has its name: a machine that loses its power leaves the old file or the new one, and no empty one. Where
    `path` is a link, the link is replaced, and what it points to stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = beside(path)
    try:
        yield aside
        flush(aside)
        before_naming(aside, path)
        os.replace(aside, path)
        flush(path.parent)
    except OSError as error:
        if error.errno and error.filename is None:  # of a full disk nobody says which file it was
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """A name for what is to become a file, of chance digits: containers that share a disk share process numbers."""
    return path.with_name(f".{path.name}.{secrets.randbelow(10**18):018d}")


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


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file: a full disk or a kill leaves the old content or the new, never a part."""
    with whole(path) as aside:
        shutil.copyfile(source, aside)


HEADER = 10
"""Where the header of an `.npy` file begins, a Python literal that may end in a comment."""
COMMENT = b" # crc32 "


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an `.npy` file with a checksum in its header, whole or not at all."""
    header, data = _apart(_saved(array))
    told = b"%s%s%08x" % (header.rstrip(), COMMENT, _checksum(header, data))
    told += b" " * (-(HEADER + len(told) + 1) % 64) + b"\n"
    with whole(path) as aside, aside.open("wb") as file:
        file.writelines((b"\x93NUMPY\x01\x00", len(told).to_bytes(2, "little"), told, data))


def array_fits(path: Path) -> bool:
    """Whether a file is what `write_array` wrote; an array without a checksum, as of older versions, is believed."""
    content = path.read_bytes()
    header, data = _apart(content)
    header, comment, told = header.rpartition(COMMENT)
    if not comment:
        return _is_array(content)
    return told.strip() == b"%08x" % _checksum(header, data)


def _is_array(content: bytes) -> bool:
    try:
        np.load(BytesIO(content))
        return True
    except (ValueError, EOFError, SyntaxError, OSError):
        return False


def _saved(array: np.ndarray) -> bytes:
    content = BytesIO()
    np.save(content, array)
    return content.getvalue()


def _apart(content: bytes) -> tuple[bytes, memoryview]:
    """Header and numbers of an `.npy` file."""
    end = HEADER + int.from_bytes(content[8:10], "little")
    return content[HEADER : end], memoryview(content)[end:]


def _checksum(header: bytes, data: memoryview) -> int:
    return zlib.crc32(data, zlib.crc32(header.rstrip()))
