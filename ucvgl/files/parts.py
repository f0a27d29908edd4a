"""The parts of an artefact: listed with size and digest when it is finished, compared when they are read.

The list is in the `DONE.json` of the folder. What lies in no such folder, as while a stage works, is read as it is.
A file is digested once per process, and again only when its size, time or place on the disk has changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from ucvgl.atomic import flush
from ucvgl.files import cached
from ucvgl.files.names import BEGUN, DONE
from ucvgl.files.plain import MOST_IN_RECORD, json_object, read_plain
from ucvgl.files.seal import unsealed
from ucvgl.files.tree import digest

__all__ = ["BEGUN", "DONE"]
AT_ONCE = 8
WAY_OUT = "copy the run again from where it was made, or make this stage anew with --redo {}"
MADE = (".arrow", ".damaged", ".json", ".jsonl", ".npy", ".npz", ".parquet", ".pt")
"""How the names of all files end that stages write."""
ASIDE = re.compile(r"\..+\.\d+")
"""The names under which `ucvgl.atomic` writes them."""

Parts = Mapping[str, Mapping[str, Any]]
"""Path below the artefact -> its `bytes` and `sha256`."""


def list_parts(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of a finished folder, flushed to the disk: after a power loss a listed file is not empty."""
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(lambda name: _part(folder / name), names), strict=True))
    far = {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in cached.elsewhere(folder).items()}
    return dict(sorted((found | far).items()))


def check_part(path: Path, content: bytes | None = None) -> bool:
    """Refuse a file of a finished artefact that is not what was made; whether it is in a list at all.

    Args:
        content: of the file, where it was read already.

    Raises:
        ValueError: it was added, changed, cut off or damaged; with the way out.
    """
    home, parts = _artefact(path.parent)
    if home is None:
        return False
    expected = parts.get(path.relative_to(home).as_posix())
    if expected is None:
        raise ValueError(f"{path} is no part of {home}: it was added later; move it away")
    _check_size(path, len(content) if content is not None else _size(path), expected, home)
    found = hashlib.sha256(content).hexdigest() if content is not None else _digest_of(path)
    if found != expected["sha256"]:
        raise ValueError(
            f"{path} is not what {home.name} made (its digest differs): it was damaged or changed; {_way_out(home)}"
        )
    return True


def check_size(path: Path) -> None:
    """Refuse a file of a finished artefact by its size alone, before it is read.

    Raises:
        ValueError: as `check_part`, or it is no regular file.
    """
    home, parts = _artefact(path.parent)
    size = _size(path)
    if not path.is_file():
        raise ValueError(f"{path} is no regular file; {_way_out(home or path.parent)}")
    if home is not None and (expected := parts.get(path.relative_to(home).as_posix())):
        _check_size(path, size, expected, home)


def read_part(path: Path) -> bytes:
    """The content of a file of an artefact, checked.

    Raises:
        ValueError: as `check_part`, or it is missing.
    """
    check_size(cached.here(path))
    content = path.read_bytes()
    check_part(path, content)
    return content


def check_all(folder: Path) -> None:
    """Refuse an artefact of which any part is missing or changed; each file is read once per process.

    What lies in a bucket and not on this machine is checked when it comes.

    Raises:
        ValueError: as `check_part`, for the first one.
    """
    home, parts = _artefact(folder)
    if home is None:
        return
    below = [home / name for name in parts if (home / name).is_relative_to(folder)]
    below = [path for path in below if not cached.is_far(path)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(check_part, below))


def refuse_cut(folder: Path) -> None:
    """Refuse a finished artefact of which a file is longer or shorter than it was: this costs no reading.

    Files that are gone may have been removed to save room, and are missed by who reads them.

    Raises:
        ValueError: as `check_part`, for the first one.
    """
    home, parts = _artefact(folder)
    for name, expected in parts.items() if home == folder else ():
        if not cached.is_far(folder / name) and (folder / name).is_file():
            _check_size(folder / name, _size(folder / name), expected, folder)


def refuse_added(folder: Path) -> None:
    """Refuse the folder of a stage that holds files which it did not make, before it is deleted.

    Of a stage that is not finished nobody knows what it made, so there it is files such as no stage makes.

    Raises:
        ValueError: it holds one.
    """
    home, parts = _artefact(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        made = name in parts if home == folder else path.suffix in MADE and path.name[0] != "."
        if not made and name not in (BEGUN, DONE) and not path.is_dir() and not ASIDE.fullmatch(path.name):
            raise ValueError(f"{path} was not made by this run, and would be deleted with its folder; move it away")


def numbered_parts(folder: Path, pattern: str) -> list[Path]:
    """The files `part-00000.*` of a folder in the order of their numbers, none missing and none of another size.

    Raises:
        ValueError: a part is missing, was added, or has another size.
    """
    found = in_order(cached.listed(folder, pattern))
    home, parts = _artefact(folder)
    if home is not None:
        below = {home / name for name in parts}
        listed = in_order(path for path in below if path.parent == folder and path.match(pattern))
        for path in sorted(set(listed) ^ set(found)):
            what = "was added later; move it away" if path in found else f"is missing; {_way_out(home)}"
            raise ValueError(f"{path} {what}")
        for path in found if not cached.in_bucket(folder) else ():
            _check_size(path, _size(path), parts[path.relative_to(home).as_posix()], home)
    for place, path in enumerate(found):
        if number_of(path) != place:
            raise ValueError(f"{folder} lacks its part {place}, but has {path.name}; make this stage anew with --redo")
    return found


def in_order(paths: Iterator[Path] | Any) -> list[Path]:
    """Numbered names by their numbers: `round_99` comes before `round_100`."""
    return sorted(paths, key=lambda path: [int(some) if odd % 2 else some for odd, some in enumerate(_split(path))])


def _split(path: Path) -> list[str]:
    """Text, digits, text, digits, ..."""
    return re.split(r"([0-9]+)", str(path))


def number_of(path: Path) -> int:
    """The last number in a name, -1 where there is none."""
    digits = re.findall(r"\d+", path.stem)
    return int(digits[-1]) if digits else -1


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.relative_to(folder).as_posix() not in (BEGUN, DONE):
            yield path


def _part(path: Path) -> dict[str, Any]:
    flush(path)
    return {"bytes": _size(path), "sha256": _digest_of(path)}


def _check_size(path: Path, size: int, expected: Mapping[str, Any], home: Path) -> None:
    if size != expected["bytes"]:
        raise ValueError(
            f"{path} has {size} bytes, but {home.name} wrote {expected['bytes']}: it was cut off or changed; "
            f"{_way_out(home)}"
        )


def _way_out(home: Path) -> str:
    return WAY_OUT.format(home.name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        home, _ = _artefact(path.parent)
        raise ValueError(f"{path} is missing; {_way_out(home or path.parent)}") from None


def _artefact(folder: Path) -> tuple[Path | None, Parts]:
    """The finished folder that this one is, or lies in, with its list; None where there is none."""
    for home in (folder, *folder.parents[:4]):
        try:
            seen = (home / DONE).stat()
        except OSError:
            continue
        parts = _listed(home / DONE, seen.st_size, seen.st_mtime_ns, seen.st_ino)
        return (home, parts) if parts else (None, {})
    return None, {}


@lru_cache(maxsize=256)
def _listed(done: Path, size: int, time_ns: int, inode: int) -> Parts:
    try:
        content, whole = unsealed(json_object(read_plain(done, MOST_IN_RECORD), done.name))
        if not whole:
            raise ValueError("it does not fit its seal: it was damaged or changed")
        parts = content.get("parts") or {}
        if not all({"bytes", "sha256"} <= part.keys() for part in parts.values()):
            raise ValueError("its list of parts lacks a size or a digest")
        return parts
    except (ValueError, AttributeError) as error:
        way_out = f"delete {done.parent} to have it made again"
        raise ValueError(f"{done} is not a record of a stage ({error}); {way_out}") from error


def _digest_of(path: Path) -> str:
    """The digest of a file's content, worked out once per process, whatever the file is called by then."""
    seen = path.stat()
    key = seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns
    if key not in _digests:
        _digests[key] = digest(path)
    return _digests[key]


def forget_digests() -> None:
    """Read every file again, as another process would."""
    _digests.clear()


_digests: dict[tuple[int, int, int, int], str] = {}
