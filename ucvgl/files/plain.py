"""Small files that are read whole: regular ones, of a size that makes sense."""

from __future__ import annotations

import json
import os
import select
import stat
import time
from pathlib import Path
from typing import Any

MOST_IN_RECORD = 2**28
"""Bytes of what a stage says of itself."""
PATIENCE_S = 5.0
"""For a pipe that a person names: a shell has filled it by then."""
REMAKE = "copy it again, or make its stage anew with --redo"


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
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:  # it grows, or is of a system that does not know how long it is
        raise NotPlain(f"it has more than {most:,} bytes")
    return content


def read_plain_or_pipe(path: Path, most: int) -> bytes:
    """`read_plain` of what a person names on a command line, where a pipe that ends is as good: `<(command)`.

    Raises:
        OSError: it cannot be read.
        NotPlain: as there; or it is a pipe that says more, or does not end within some seconds.
    """
    if not stat.S_ISFIFO(path.stat().st_mode):
        return read_plain(path, most)
    content, until = b"", time.monotonic() + PATIENCE_S
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            more = os.read(pipe, most + 1 - len(content))
            content += more
            if len(content) > most:
                raise NotPlain(f"it is a pipe with more than {most:,} bytes")
            if not more:
                return content
    finally:
        os.close(pipe)
    raise NotPlain(f"it is a pipe that did not end within {PATIENCE_S:g} s")


def json_as(kind: Any, content: bytes | str, origin: Path | str) -> Any:
    """What a JSON text holds, as this type: a dataclass, or a list or a mapping of such.

    Raises:
        NotPlain: it is none, or lacks a key, or has a value of another type; the message names `origin` and the key.
    """
    from pydantic import TypeAdapter, ValidationError  # takes longer to import than most commands to answer

    try:
        return TypeAdapter(kind).validate_json(json.dumps(_parsed(content, origin)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = "".join(f"{part}: " for part in first["loc"])
        raise NotPlain(f"{origin} is damaged: {key}{first['msg']}; {REMAKE}") from error


def json_object(content: bytes | str, origin: Path | str) -> dict[str, Any]:
    """The object that a JSON text holds, whatever is in it.

    Raises:
        NotPlain: it is none, or one that Python cannot read, as of ten thousand brackets; the message names `origin`.
    """
    found = _parsed(content, origin)
    if not isinstance(found, dict):
        raise NotPlain(f"{origin} is damaged: it holds no JSON object; {REMAKE}")
    return found


def _parsed(content: bytes | str, origin: Path | str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotPlain(f"{origin} is damaged: it is no JSON ({error}); {REMAKE}") from error


def load_numbers(path: Path | str, **how: Any) -> Any:
    """What `numpy.load` gives of a file of numbers, where that is plain ones.

    Args:
        how: for `numpy.load`.

    Raises:
        ValueError: it is cut off, something else, or holds objects of Python, which may run code and are not read.
    """
    import numpy as np

    try:
        return np.load(path, **how)
    except (ValueError, EOFError) as error:  # NumPy's words tell how to run what is in it
        raise ValueError(f"{path} is no array of plain numbers that can be read; {REMAKE}") from error


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
