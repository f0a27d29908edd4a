"""Digests of files in a bucket whose stage is not done: an empty object beside each, whose name says size and digest.

A mark comes before its file, so a file that is there has one. Machines that write the same name leave a mark each, and
whichever content came last has its own. When the stage is done its `DONE.json` has the digests, and the marks go.
"""

from __future__ import annotations

from contextlib import suppress

from ucvgl.images.storage import delete_folder, list_files, write
from ucvgl.images.uris import join

MARKS = ".sums"

Sum = tuple[int, str]
"""Bytes and sha256."""


def mark(uri: str, place: str, size: int, sha256: str) -> None:
    """Say what is about to be written at a place of a run.

    Args:
        uri: of the run.
        place: in it.
        size: bytes.
        sha256: of the content.
    """
    write(join(uri, f"{MARKS}/{place}/{size}-{sha256}"), b"")


def marks_below(uri: str, place: str) -> dict[str, set[Sum]]:
    """What may lie at a place and at all below it, by place."""
    found: dict[str, set[Sum]] = {}
    with suppress(FileNotFoundError):
        for name in list_files(join(uri, f"{MARKS}/{place}")):
            below, _, told = f"{place}/{name}".rpartition("/")
            size, _, sha256 = told.partition("-")
            found.setdefault(below, set()).add((int(size), sha256))
    return found


def unmark(uri: str, place: str) -> None:
    """Drop the marks of a place and of all below it."""
    delete_folder(join(uri, f"{MARKS}/{place}"))
