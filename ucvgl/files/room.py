"""The cache of a machine: where runs of buckets appear, and how much of the disk they may take."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from ucvgl.files.arrivals import ARRIVALS, Arrivals
from ucvgl.files.names import LOCKS, PARTIAL, place_of

CACHE, LIMIT = "UCVGL_CACHE", "UCVGL_CACHE_GB"
SHARE = 0.8
"""Of the disk that is free, or taken by the cache: what it may take where nobody says."""
IN_USE_S = 600
"""A file that was opened so recently is not dropped."""
LOOK_AGAIN_S = 10.0


def cache_root() -> Path:
    """The folder `UCVGL_CACHE`, else `~/.cache/ucvgl`."""
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "ucvgl")


def limit() -> float:
    """Bytes that the cache may take: `UCVGL_CACHE_GB`, else a share of the disk.

    Raises:
        ValueError: the variable holds something else than a number.
    """
    if told := os.environ.get(LIMIT):
        try:
            most = float(told) * 1e9
        except ValueError:
            most = -1.0
        if not most >= 0:  # nor NaN
            raise ValueError(f"{LIMIT}={told} is no number of gigabytes")
        return most
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    return SHARE * (shutil.disk_usage(root).free + _taken())


def used(path: Path, *, ago_s: float = 0) -> None:
    """Note that a file was opened, now or so long ago; its time of change stays."""
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns() - int(ago_s * 1e9), path.stat().st_mtime_ns))


class CacheFull(ValueError):
    """The cache has no room, as all that it holds is in use."""


def spare() -> float:
    """Bytes that the cache has room for, once what is not in use is dropped."""
    _known.clear()  # other processes may have filled it since
    return limit() - _taken() + sum(size for _, _, size in _droppable())


def make(size: int) -> None:
    """Drop what was not opened for longest, until so many bytes fit; only what lies in a bucket is dropped.

    Raises:
        CacheFull: there is nothing to drop.
    """
    most, taken = limit(), _taken() + size
    if taken > most:
        for opened, path, held in sorted(_droppable()):
            with suppress(FileNotFoundError):
                if path.stat().st_atime > opened:  # by another process, since it was looked at
                    continue
                path.unlink()
            taken -= held
            if taken <= most:
                break
        _known.clear()
    if taken > most:
        raise CacheFull(
            f"the cache {cache_root()} may hold {most / 1e9:.1f} GB; all of it is in use, and {size / 1e9:.1f} GB "
            f"more are needed at once; allow it more with {LIMIT}, or name a larger disk with {CACHE}"
        )
    _known["bytes"] = _known.get("bytes", 0.0) + size


def twin(sums: Collection[tuple[int, str]], aside: Path) -> str:
    """Link a file that the cache holds already, for whatever run, to another name; its digest, empty where none is.

    Args:
        sums: sizes and digests that it may have.
        aside: the name, in a folder of the cache.
    """
    root = cache_root()
    with _looking:  # others wait for what one finds
        if sums and time.monotonic() - _looked.get(root, -LOOK_AGAIN_S) >= LOOK_AGAIN_S:
            there = trees()
            for gone in _trees.keys() - set(there):
                del _trees[gone]
            _trees.update({tree: Arrivals(tree) for tree in there if tree not in _trees})
            _looked[root] = time.monotonic()
        known = [(tree, arrivals) for tree, arrivals in _trees.items() if tree.is_relative_to(root)]
    for size, sha256 in sums:
        for tree, arrivals in known if sha256 else ():
            for place, arrival in arrivals.with_digest(sha256):
                stage, slash, name = place.partition("/")
                for path in (tree / place, tree / f"{stage}{PARTIAL}{slash}{name}"):
                    with suppress(OSError):  # dropped meanwhile, or a disk without links
                        aside.unlink(missing_ok=True)
                        os.link(path, aside)
                        if arrival.size == size and arrival.fits(aside):
                            return sha256
                        aside.unlink()
    return ""


def trees() -> list[Path]:
    """The folders of the cache in which runs appear."""
    return sorted(file.parent for file in cache_root().rglob(ARRIVALS))


def size_of(folder: Path) -> int:
    """Bytes that a folder takes."""
    return sum(size for _, size in _files(folder))


def clear(folder: Path) -> None:
    """Drop what a folder of the cache holds of the bucket; what was not copied there stays."""
    for _, path, _ in _droppable(folder, idle_s=0):
        path.unlink(missing_ok=True)
    if not any(True for path, _ in _files(folder) if not path.name.startswith(".") and path.parent.name != LOCKS):
        shutil.rmtree(folder, ignore_errors=True)
    _known.clear()


def _droppable(folder: Path | None = None, *, idle_s: float = IN_USE_S) -> Iterator[tuple[float, Path, int]]:
    """When it was last opened, path and size of every file that lies in a bucket as it is here."""
    now = time.time()
    for tree in [folder] if folder else trees():
        known = Arrivals(tree).all()
        for path, size in _files(tree):
            arrival = known.get(place_of(path, tree))
            with suppress(FileNotFoundError):
                opened = path.stat().st_atime
                if arrival and arrival.fits(path) and now - opened >= idle_s:
                    yield opened, path, size


def _taken() -> float:
    """Bytes in the cache, looked at every now and then, as other processes fill it too."""
    if time.monotonic() - _known.get("at", -LOOK_AGAIN_S) >= LOOK_AGAIN_S:
        _known.update(at=time.monotonic(), bytes=float(size_of(cache_root())))
    return _known["bytes"]


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file and its bytes; of one that has several names, as runs of a sweep share it, its share."""
    for home, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                seen = (path := Path(home, name)).stat()
                yield path, seen.st_size // max(1, seen.st_nlink)


_known: dict[str, float] = {}
_looked: dict[Path, float] = {}
_trees: dict[Path, Arrivals] = {}
_looking = Lock()
