"""One run in a bucket as this machine has it: files come when they are opened, once per machine and checked."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ucvgl.atomic import beside, flush
from ucvgl.files import room
from ucvgl.files.arrivals import Arrivals
from ucvgl.files.marks import Sum, mark, marks_below, unmark
from ucvgl.files.names import BEGUN, BULK, CHANGING, CHECKPOINT, DONE, LOCKS, PARTIAL, place_of
from ucvgl.files.plain import json_object
from ucvgl.files.seal import unsealed
from ucvgl.images.retries import patiently
from ucvgl.images.storage import AT_ONCE, PIECE, copy_out, delete, delete_folder, exists, fetch, list_files, read
from ucvgl.images.uris import join

TRIES, PAUSE_S = 3, 1.0
"""A file that does not fit its digest is fetched again: another machine may just write it anew."""


def _nothing() -> None:
    """The folder that nobody copies."""


class Tree:
    """A run of a bucket in a folder of this machine.

    A file has a place: its name in the bucket, which is that of the stage from its beginning on.

    Args:
        folder: where it appears.
        uri: of the run.
        own: it is the folder of the process that makes the run: what is there is true, and is copied by that process
            (`ucvgl.run.mirror`). Elsewhere the bucket is true, and what is made is uploaded before it has its name.
        eager: what is opened is going to be read whole, as by workers; the driver looks at ids and sizes.
        push: copies what is new in the folder, now.
    """

    def __init__(
        self, folder: Path, uri: str, *, own: bool, eager: bool = False, push: Callable[[], None] = _nothing
    ) -> None:
        self.folder, self.uri, self.own, self.eager, self.push = folder, uri, own, eager, push
        self.shared = False
        self.arrivals = Arrivals(folder)
        self._seen: set[str] = set()
        self._parts: dict[str, dict[str, Sum]] = {}

    def place(self, path: Path) -> str:
        """The place of a file, or of a folder, below this one."""
        return place_of(path, self.folder)

    def bring(self, path: Path) -> None:
        """Have a file here, as it lies in the bucket.

        Raises:
            FileNotFoundError: it is not there.
            ValueError: it does not fit its digest, or the cache is full.
            StorageError: the bucket cannot be used.
        """
        place = self.place(path)
        if path.exists() and (self.own or place in self._seen):
            return
        with self._alone_with(place):
            if not self._has(path, place):
                self._fetch(path, place)
        room.used(path)
        self._seen.add(place)

    def bring_all(self, paths: list[Path]) -> None:
        """The same for many, several at a time; each process begins elsewhere, so that they do not wait in a row."""
        first = os.getpid() % max(1, len(paths))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.bring, paths[first:] + paths[:first]))

    def fit(self, paths: list[Path]) -> bool:
        """Whether the cache has room for all of some files, as far as their sizes are known."""
        missing = [self.place(path) for path in paths if not (path.exists() or self._at_work_path(path).exists())]
        parts = [(self._finished(stage), name) for stage, _, name in (place.partition("/") for place in missing)]
        size = sum(found[name][0] for found, name in parts if name in found)
        return not size or size <= room.spare()

    def made(self, path: Path) -> bool:
        """Whether a file is in the bucket, or here where that counts."""
        if self.own and path.exists():
            return True
        place = self.place(path)
        if _at_work(path, self.folder):
            return exists(join(self.uri, place))
        stage, _, name = place.partition("/")
        return name in self._finished(stage)

    def names(self, folder: Path) -> set[str]:
        """The files directly in a folder, those included that lie in the bucket alone."""
        place = self.place(folder)
        stage, _, below = place.partition("/")
        if not _at_work(folder, self.folder):
            start = f"{below}/" if below else ""
            found = {name[len(start) :] for name in self._finished(stage) if name.startswith(start)}
            return {name for name in found if "/" not in name}
        with suppress(FileNotFoundError):
            return set(list_files(join(self.uri, place), recursive=False))
        return set()

    def share(self) -> None:
        """From now on other machines work for this run too, and look for a mark of what the driver copied."""
        if not self.shared:
            self.shared = True
            for path in self.folder.glob(f"*{PARTIAL}/**/[!.]*"):
                if path.is_file():
                    self.announce(path, self.place(path))
        self.push()

    def announce(self, path: Path, place: str) -> None:
        """Mark a file that the driver is about to copy; those of a finished stage have their digests there."""
        changing = path.name.endswith((*CHANGING, BEGUN, DONE))
        if self.shared and _at_work(path, self.folder) and not changing:
            with suppress(FileNotFoundError):  # gone meanwhile
                mark(self.uri, place, path.stat().st_size, digest(path))

    def upload(self, aside: Path, path: Path) -> None:
        """Have a file that is about to get its name in the bucket."""
        place, sha256 = self.place(path), ""
        if not path.name.endswith(CHANGING):
            sha256 = digest(aside)
            mark(self.uri, place, aside.stat().st_size, sha256)
        copy_out(aside, join(self.uri, place))
        self.arrivals.add(place, aside, sha256, fetched=False)
        self._seen.add(place)

    def renew(self, path: Path) -> bool:
        """Bring a file that changes; whether there is one."""
        if self.own and path.exists():
            return True
        path.unlink(missing_ok=True)
        self._seen.discard(self.place(path))
        try:
            self.bring(path)
        except FileNotFoundError:
            return False
        return True

    def forget(self, path: Path) -> None:
        """Delete what the bucket has of a file or folder; the record of a stage goes first."""
        place = self.place(path)
        self._parts.pop(place.partition("/")[0], None)
        for record in (DONE, BEGUN) if "/" not in place else ():
            delete(join(self.uri, f"{place}/{record}"))
        if not path.name.endswith(CHANGING):
            delete_folder(join(self.uri, place))
            unmark(self.uri, place)
        delete(join(self.uri, place))
        self._seen = {one for one in self._seen if one != place and not one.startswith(f"{place}/")}

    def elsewhere(self, folder: Path) -> dict[str, Sum]:
        """The files of a stage at work that lie in the bucket and not here: name -> size and digest.

        What has no mark, as what an earlier driver copied there, is fetched.
        """
        stage, found = self.place(folder), {}
        if self.shared:
            self.push()  # what the driver dropped goes there, too
        try:
            there = list_files(join(self.uri, stage))
        except FileNotFoundError:
            return {}
        marks = marks_below(self.uri, stage)
        for name in sorted(name for name in there if not (folder / name).exists()):
            sums = marks.get(f"{stage}/{name}", set())
            right = [one for one in sums if one[0] == there[name]]
            if len(right) == 1:
                (found[name],) = right
            elif sums or name.endswith(BULK):  # machines wrote it more than once, and not the same; or no mark
                self.bring(folder / name)
                found[name] = there[name], digest(folder / name)
        return found

    def pull(self) -> None:
        """Have what other machines have made for the stages at work, but for what may be too much for one machine."""
        for stage in self.folder.glob(f"*{PARTIAL}"):
            try:
                there = list_files(join(self.uri, self.place(stage)))
            except FileNotFoundError:
                continue
            for left in stage.rglob(f"*{CHECKPOINT}"):
                if left.relative_to(stage).as_posix() not in there:  # dropped by whoever had no more need of it
                    left.unlink()
            for folder in {(stage / name).parent for name in there}:
                folder.mkdir(parents=True, exist_ok=True)
            small = [name for name in there if not name.endswith((*BULK, CHECKPOINT)) and name not in (BEGUN, DONE)]
            self.bring_all([stage / name for name in small])

    def _has(self, path: Path, place: str) -> bool:
        """Whether the right file is here, maybe under the name that its stage had while it worked."""
        other = self._at_work_path(path)
        if not path.exists() and other != path and other.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(other, path)
        arrival = self.arrivals.of(place)
        if arrival is None or not arrival.fits(path):
            return False
        sums = self._sums(path, place)  # none of what a driver without other machines made and left unfinished
        return not sums or (arrival.size, arrival.sha256) in sums

    def _at_work_path(self, path: Path) -> Path:
        """The name of a file while its stage was at work."""
        stage, _, name = self.place(path).partition("/")
        return self.folder / f"{stage}{PARTIAL}" / name

    def _sums(self, path: Path, place: str) -> set[Sum]:
        """What the file may be, as far as anybody wrote it down."""
        if _at_work(path, self.folder):
            return marks_below(self.uri, place).get(place, set())
        stage, _, name = place.partition("/")
        part = self._finished(stage).get(name)
        return {part} if part else set()

    def _finished(self, stage: str) -> dict[str, Sum]:
        """The files of a stage that is done; none where it is not. It stays as it is while this process lives."""
        if stage not in self._parts:
            here = self.folder / stage / DONE
            with suppress(FileNotFoundError):
                told = here.read_bytes() if self.own else read(join(self.uri, f"{stage}/{DONE}"))
                content, _ = unsealed(json_object(told, here))
                parts = content.get("parts") or {}
                self._parts[stage] = {name: (part["bytes"], part["sha256"]) for name, part in parts.items()}
        return self._parts.get(stage, {})

    def _fetch(self, path: Path, place: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside, uri = beside(path), join(self.uri, place)
        try:
            for attempt in range(TRIES):
                sums = self._sums(path, place)
                if attempt == 0 and (sha256 := room.twin(sums, aside)):
                    os.replace(aside, path)
                    self.arrivals.add(place, path, sha256, fetched=False)
                    return
                room.make(max((size for size, _ in sums), default=0))
                sha256 = patiently(partial(_copied, uri, aside), uri)
                if not sums or (aside.stat().st_size, sha256) in sums:
                    flush(aside)
                    os.replace(aside, path)
                    self.arrivals.add(place, path, sha256, fetched=True)
                    return
                time.sleep(PAUSE_S * (attempt + 1))
        finally:
            aside.unlink(missing_ok=True)
        raise ValueError(
            f"{uri} is not what was made (its digest differs): it was damaged or changed; copy the run again from "
            f"where it was made, or make this stage anew with --redo {place.partition('/')[0]}"
        )

    @contextmanager
    def _alone_with(self, place: str) -> Iterator[None]:
        """Keep the other processes of this machine from the same place; a process that dies lets go."""
        lock = self.folder / LOCKS / hashlib.sha256(place.encode()).hexdigest()[:3]
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            with suppress(OSError):  # disks without locks: what is fetched twice is the same twice
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def digest(path: Path) -> str:
    """Of a file's content."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()


def _copied(uri: str, aside: Path) -> str:
    found = hashlib.sha256()
    with aside.open("wb") as sink:
        for piece in fetch(uri, PIECE):
            sink.write(piece)
            found.update(piece)
    return found.hexdigest()


def _at_work(path: Path, folder: Path) -> bool:
    return path.relative_to(folder).parts[0].endswith(PARTIAL)
