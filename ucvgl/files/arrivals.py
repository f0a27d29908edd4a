"""Which files of a folder are as they lie in the bucket: written down when they come, or when they went there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import NamedTuple

ARRIVALS = ".arrivals"


class Arrival(NamedTuple):
    """A file as it was when it came or went.

    Args:
        size: bytes.
        time_ns: when it was changed; another time or size means another file.
        sha256: of its content.
        fetched: it came from the bucket; else it was made here.
    """

    size: int
    time_ns: int
    sha256: str
    fetched: bool

    def fits(self, path: Path) -> bool:
        """Whether a file is still the one that was written down."""
        try:
            seen = path.stat()
        except OSError:
            return False
        return (seen.st_size, seen.st_mtime_ns) == (self.size, self.time_ns)


class Arrivals:
    """The arrivals of one folder, by place: a line each, which all processes of the machine append and read."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ARRIVALS
        self._read, self._known = 0, dict[str, Arrival]()
        self._places: dict[str, list[str]] = {}
        self._alone = Lock()
        self.fetched_bytes = 0
        """All that ever came, what was fetched again counted again."""

    def of(self, place: str) -> Arrival | None:
        """How a place arrived here, if it did."""
        return self.all().get(place)

    def all(self) -> dict[str, Arrival]:
        """The last arrival of every place."""
        with self._alone:
            return self._all()

    def with_digest(self, sha256: str) -> list[tuple[str, Arrival]]:
        """The places whose file has a digest, the last arrival first."""
        with self._alone:
            known, places = self._all(), self._places.get(sha256, [])[::-1]
            return [(place, known[place]) for place in places if known[place].sha256 == sha256]

    def add(self, place: str, path: Path, sha256: str, *, fetched: bool) -> None:
        """Write down that a file is now as it lies in the bucket.

        Args:
            place: of it in the bucket.
            path: of it here.
            sha256: of its content; empty for what changes.
            fetched: it came from there.
        """
        seen = path.stat()
        arrival = Arrival(seen.st_size, seen.st_mtime_ns, sha256, fetched)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab", buffering=0) as file:  # one short write, which no other process cuts in two
            file.write(json.dumps([place, *arrival]).encode() + b"\n")

    def _all(self) -> dict[str, Arrival]:
        try:
            with self._file.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read:  # cleared
                    self._read, self._known, self._places, self.fetched_bytes = 0, {}, {}, 0
                file.seek(self._read)
                lines, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return {}
        self._read += len(lines) + len(end)
        for line in lines.splitlines():
            try:
                place, *told = json.loads(line)
                arrival = Arrival(*told)
            except (ValueError, TypeError):  # torn by a machine that lost its power: the file is fetched again
                continue
            self._known[place] = arrival
            self._places.setdefault(arrival.sha256, []).append(place)
            self.fetched_bytes += arrival.size * arrival.fetched
        return self._known
