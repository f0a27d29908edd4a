"""Nothing is deleted or overwritten that was not made here: folders of somebody else, and links, are refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ucvgl.files.plain import json_object, refuse_no_file
from ucvgl.images.storage import exists, list_files, read, write
from ucvgl.images.uris import is_local, join

BEGUN = "begun.json"
"""Says what is being made in a folder: who finds it there may go on with the same, and with nothing else."""
OURS = (b'<meta name="generator" content="ucvgl">', b"Software\0ucvgl")
"""Near the beginning of every page and picture that is made here."""
HEAD = 2**12


def begin(where: str, wanted: Mapping[str, Any], *, flag: str) -> None:
    """Claim an empty folder or place in a bucket, or go on where the same was begun.

    Args:
        wanted: what decides all that will be written there.
        flag: with which another place is chosen.

    Raises:
        ValueError: it holds files of somebody else, or something else was begun there.
    """
    way_out = f"choose another folder with {flag}, or delete it"
    if not exists(join(where, BEGUN)):
        if found := _names(where):
            raise ValueError(
                f"{where} is not empty ({', '.join(found[:3])}), and nothing in it is overwritten or deleted; "
                f"choose another folder with {flag}"
            )
        write(join(where, BEGUN), json.dumps(dict(wanted)).encode())
        return
    try:
        begun = json_object(read(join(where, BEGUN)), BEGUN)
    except ValueError as error:
        raise ValueError(f"{where}/{BEGUN} does not say what was begun there; {way_out}") from error
    other = [name for name in wanted if begun.get(name) != wanted[name]]
    if other:
        raise ValueError(f"{where} was begun with other {' and '.join(other)}; {way_out}")


def contents_of(uris: Sequence[str]) -> str:
    """A digest of a list of images: their URIs and, of local files, size and time, as these tell of a change."""
    found = hashlib.sha256()
    for uri in uris:
        found.update(f"{uri}\n".encode("utf-8", "surrogateescape"))
        if is_local(uri) and os.path.isfile(path := uri.removeprefix("file://")):
            seen = os.stat(path)
            found.update(f"{seen.st_size} {seen.st_mtime_ns}\n".encode())
    return found.hexdigest()


def refuse_foreign_file(path: Path, marks: Collection[bytes] = OURS) -> None:
    """Refuse to overwrite a file that nothing of ours has written, or what is no file.

    Args:
        marks: of which ours have one near their beginning.

    Raises:
        ValueError: there is one.
    """
    if not path.exists():
        return
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(HEAD)
    if not any(mark in head for mark in marks):
        raise ValueError(f"{path} is there already and was not made by ucvgl; choose another name, or move it away")


def refuse_foreign(folder: Path, marks: Sequence[str], what: str) -> None:
    """Refuse a folder that holds files, but none that only its maker here leaves.

    Args:
        marks: patterns of those.
        what: the folder should be, and the way out.

    Raises:
        ValueError: it is one.
    """
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    # Looked for last: who has just begun there, as another job of the same command, leaves a mark before all else.
    if found and not any(next(folder.glob(mark), None) for mark in marks):
        shown = ", ".join(found[:3])
        raise ValueError(f"{folder} is not empty ({shown}), and is not {what}, so that nothing in it is overwritten")


def refuse_links_and_pipes(folder: Path) -> None:
    """Refuse a folder of ours with a link, as what is written there would change what it points to, or with a pipe.

    Ray's own folders in it are ours as well: it writes files of known names there.

    Raises:
        ValueError: there is one.
    """
    for home, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(home, name)
            if path.is_symlink():
                raise ValueError(
                    f"{path} is a link to {os.readlink(path)}, which would be overwritten in its place; remove it, or "
                    "put a copy there"
                )
        for name in files:
            refuse_no_file(Path(home, name))


def _names(where: str) -> list[str]:
    """What a folder holds, files only where it lies in a bucket."""
    try:
        return sorted(os.listdir(where.removeprefix("file://")) if is_local(where) else list_files(where))
    except FileNotFoundError:
        return []
