"""Every file below a local folder, with links followed once: no folder is read twice, and what is left out is told."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field

from ucvgl.files.printable import printable

DEEPEST = 100
"""Folders in folders; a tree that is deeper was made by mistake, or to break what walks it."""


@dataclass
class Walk:
    """What lies below a folder.

    Args:
        files: path below it -> bytes.
        left_out: path below it -> why it is not among the files.
    """

    files: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def walk(folder: str, *, recursive: bool = True) -> Walk:
    """The files in a folder and its folders. Of a file or folder that is met again through links, the first counts;
    what is there without a link comes before what a link leads to.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
    """
    found, links = Walk(), list[str]()
    met = {_identity(os.stat(folder))}
    real = os.path.realpath(folder)
    above = set[tuple[int, int]]()
    while real != os.path.dirname(real):
        real = os.path.dirname(real)
        above.add(_identity(os.stat(real)))
    _visit(folder, "", recursive, found, links, met)
    while links:
        path = links.pop(0)
        try:
            seen = os.stat(os.path.join(folder, path))
        except OSError as error:
            found.left_out[path] = f"a link that leads nowhere ({error.strerror})"
            continue
        if _identity(seen) in met:
            found.left_out[path] = "a link to what is read already"
        elif _identity(seen) in above:
            found.left_out[path] = "a link to a folder above"
        elif stat.S_ISDIR(seen.st_mode):
            if recursive:
                met.add(_identity(seen))
                _visit(os.path.join(folder, path), f"{path}/", recursive, found, links, met)
        else:
            _add(path, seen, found, met)
    return found


def folders_in(folder: str) -> set[str]:
    """The names of the folders directly in a folder, those that a link leads to included.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    return {name for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}") and name_shown(name) == name}


def unwritable_folders_in(folder: str) -> list[str]:
    """The folders directly in a folder whose names cannot be written down, so that nothing reads them."""
    return sorted(name for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}") and name_shown(name) != name)


def told(left_out: dict[str, str], most: int = 3) -> str:
    """What was left out, counted and named."""
    first = "; ".join(f"{path}: {reason}" for path, reason in sorted(left_out.items())[:most])
    return f"{len(left_out)} left out ({first})"


def _visit(
    folder: str, below: str, recursive: bool, found: Walk, links: list[str], met: set[tuple[int, int]]
) -> None:
    """Everything in a folder without following a link; those found are added to `links`."""
    folders = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if isinstance(error, FileNotFoundError):  # it went while others were read
            return
        found.left_out[below or "."] = f"it cannot be read ({error.strerror})"
        return
    if below.count("/") > DEEPEST:
        found.left_out[below] = f"it lies more than {DEEPEST} folders deep"
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        if (shown := name_shown(path)) != path:
            found.left_out[shown] = "its name is not UTF-8, or holds a control character"
        elif entry.is_symlink():
            links.append(path)
        elif entry.is_dir(follow_symlinks=False):
            folders.append((entry.path, path))
        else:
            with suppress(FileNotFoundError):
                _add(path, entry.stat(follow_symlinks=False), found, met)
    for where, path in folders if recursive else ():
        try:
            identity = _identity(os.stat(where))
        except FileNotFoundError:
            continue
        if identity in met:
            continue
        met.add(identity)
        _visit(where, f"{path}/", recursive, found, links, met)


def _add(path: str, seen: os.stat_result, found: Walk, met: set[tuple[int, int]]) -> None:
    if stat.S_ISREG(seen.st_mode):
        found.files[path] = seen.st_size
        met.add(_identity(seen))
    else:
        found.left_out[path] = "no file (a pipe, socket or device)"


def name_shown(path: str) -> str:
    """A name as it can be written down."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def _identity(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino
