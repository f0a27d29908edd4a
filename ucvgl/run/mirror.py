"""A run in an object store: a copy of the local folder that follows it, and from which another machine goes on.

Files are copied one after another in the order in which they were written, so at any moment the copy is a state the
folder was in: what a stage writes last, its `DONE.json` above all, comes last. An object appears whole or not at all.
What has changed is told by size and time against the last copy, never against this machine's clock, which others that
write there may not share.
`<stage>.partial` and `<stage>` have the same place in the store, so that a finished stage costs one more file.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from ucvgl.atomic import write_whole
from ucvgl.files import cached
from ucvgl.files.arrivals import ARRIVALS
from ucvgl.files.marks import unmark
from ucvgl.files.names import BEGUN, BULK, DONE, OWNER, PARTIAL, place_of
from ucvgl.files.tree import Tree
from ucvgl.images.retries import StorageError
from ucvgl.images.storage import AT_ONCE, copy_in, copy_out, delete, list_files, read, write
from ucvgl.images.uris import join
from ucvgl.run.copied import COPIED, STAGE, as_written, copied_before, names_of
from ucvgl.run.lock import terminate_this_process

log = logging.getLogger(__name__)

EVERY_S = 20.0
"""Between two looks at the folder; a lost machine costs about as much, and the time to copy."""
NOT_COPIED = ("ray_train",)
"""Ray Train's own state serves one session only."""

UNKNOWN = (-1, -1)
SETTLED_S = 0.1
"""Clocks of file systems are this coarse, and better."""

State = dict[str, tuple[int, int]]
"""Place in the store -> size and time of the file that was copied there."""


class Mirror:
    """Copies a run folder to `uri` while the context lasts, and a last time at its end.

    One process writes to the store. A newer one takes it over: the older one sees that within seconds and stops.

    Args:
        folder: the local run folder, which must be the same for all machines of a cluster.
        uri: of the run in the store.
        superseded: called when another process has taken the run over.
    """

    def __init__(
        self, folder: Path, uri: str, *, every_s: float = EVERY_S, superseded: Callable[[], None] | None = None
    ) -> None:
        self.folder, self.uri, self.every_s = folder, uri, every_s
        self.lost = False
        self._superseded = superseded or terminate_this_process
        self._owner = uuid.uuid4().hex
        self.tree = Tree(folder, uri, own=True, push=self.push)
        self._copied: State = {}
        self._over = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="mirror")

    def fetch(self) -> None:
        """Bring the folder to the state of the store, unless it was this folder that was copied there last.

        Raises:
            ValueError: the folder holds a run that was never copied to this place, or the place something else.
            StorageError: the store cannot be used.
        """
        there, here = _read_or_none(join(self.uri, OWNER)), self.folder / OWNER
        if there is None:
            self._refuse_other_objects()
            return
        if here.exists() and here.read_bytes() == there:
            return
        self._drop_other_state()
        here.write_bytes(b"being fetched")
        wanted = {place: self.folder / name for place, name in names_of(list_files(self.uri)).items()}
        missing = {place: path for place, path in wanted.items() if not path.exists()}
        for place in [place for place in missing if place.endswith(BULK)]:  # comes when it is opened
            missing.pop(place).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda place: copy_in(join(self.uri, place), missing[place]), missing))
        if missing:
            log.info("%d files fetched from %s", len(missing), self.uri)
        came = self.tree.arrivals.all()  # what came may go again, to make room
        kept = {place: path for place, path in wanted.items() if not (place in came and came[place].fits(path))}
        self._copied = {place: _state(path) for place, path in kept.items() if path.exists()}
        self._remember()
        here.write_bytes(there)  # last: what is fetched by half is fetched again

    def __enter__(self) -> Mirror:
        """Take the run over and begin to follow the folder."""
        (self.folder / OWNER).write_text(self._owner)
        write(join(self.uri, OWNER), self._owner.encode())
        cached.attach(self.tree)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        try:
            self.push()
            if not self.lost:
                self._refuse_missing()
                log.info("copied to %s", self.uri)
        except StorageError as failure:
            if error is None:
                raise
            log.warning("%s was not brought up to date: %s", self.uri, failure)
        finally:
            cached.detach(self.tree)

    def push(self) -> None:
        """Copy what is new and delete what is gone, now.

        Raises:
            StorageError: the store cannot be used.
        """
        with self._one_at_a_time:
            if _read_or_none(join(self.uri, OWNER)) != self._owner.encode():
                self.lost = True
                return
            self._copied = self._copied or self._remembered()
            # What a walk finds may have come with files where it had been before: the next walk finds these, too.
            before, arrived = self._present(), self.tree.arrivals.all()
            time.sleep(2 * SETTLED_S)
            present = self._present()
            self._delete(place for place in self._gone() if place.endswith(f"/{DONE}"))
            for place in as_written(present):
                path, state = present[place]
                if self._copied.get(place) == state or place not in before or before[place][1] != state:
                    continue
                if place in arrived and arrived[place].fits(path):
                    continue  # another machine made it
                stage = place.split("/")[0]
                self._announce(stage)
                self.tree.announce(path, place)
                if copy_out(path, join(self.uri, place)):
                    self._copied[place] = state
                if place == f"{stage}/{DONE}":
                    unmark(self.uri, stage)
            self._delete(self._gone())  # last: a checkpoint goes when its result is there
            self._remember()

    def _remember(self) -> None:
        write_whole(self.folder / COPIED, json.dumps(self._copied))

    def _remembered(self) -> State:
        """What lies in the store, with the states that an earlier process of this machine copied."""
        known, there = copied_before(self.folder), list_files(self.uri)
        made = {place.split("/")[0] for place in there if place.endswith((f"/{DONE}", f"/{BEGUN}"))}
        left = (place for place in there if STAGE.match(place) and place.split("/")[0] not in made)
        return {place: known.get(place, UNKNOWN) for place in [*known.keys() & there.keys(), *left]}

    def _announce(self, stage: str) -> None:
        """A stage that was begun and finished between two looks is begun in the store as well, until it is whole."""
        done, begun = f"{stage}/{DONE}", f"{stage}/{BEGUN}"
        if not {done, begun} & set(self._copied) and (self.folder / done).exists():
            copy_out(self.folder / done, join(self.uri, begun))  # a record of the same settings and inputs
            self._copied[begun] = UNKNOWN

    def _gone(self) -> list[str]:
        """Places whose file is neither in the stage's folder nor in its partial one; not by the walk, which a
        rename may mislead."""
        gone = []
        for place in self._copied:
            stage, slash, rest = place.partition("/")
            if not (self.folder / place).exists() and not (self.folder / f"{stage}{PARTIAL}{slash}{rest}").exists():
                gone.append(place)
        return gone

    def _delete(self, places: Iterable[str]) -> None:
        for place in list(places):
            delete(join(self.uri, place))
            del self._copied[place]

    def _follow(self) -> None:
        while not self._over.wait(self.every_s):
            try:
                self.push()
            except (StorageError, OSError) as error:
                log.warning("%s was not brought up to date (%s); trying again", self.uri, error)
            if self.lost:
                log.error("another process has taken over %s; this one stops", self.uri)
                self._superseded()
                return

    def _present(self) -> dict[str, tuple[Path, tuple[int, int]]]:
        """Place in the store -> file and its state, for every file that is whole."""
        found = {}
        for path in self.folder.rglob("*"):
            parts = path.relative_to(self.folder).parts
            if parts[0] in NOT_COPIED or any(part.startswith(".") for part in parts):
                continue
            try:
                if path.is_file():
                    found[place_of(path, self.folder)] = (path, _state(path))
            except FileNotFoundError:  # renamed meanwhile: the next look finds it
                continue
        return found

    def _drop_other_state(self) -> None:
        """Remove what the store's run has outgrown; finished stages with the same record stay."""
        if not (self.folder / OWNER).exists():
            if (self.folder / ARRIVALS).exists():  # a worker's, whose files lie in the store
                for path in self.folder.iterdir():
                    if path.name != ".lock":
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                return
            if any(path.name != ".lock" for path in self.folder.glob("*")):
                raise ValueError(
                    f"{self.folder} holds a run that is no copy of {self.uri}; move it away, or choose another --run"
                )
            return
        copied = {place.partition("/")[0] for place in copied_before(self.folder)}
        for path in self.folder.iterdir():
            ours = path.name in copied or path.name in NOT_COPIED or STAGE.match(path.name)
            if not ours or _same_record(path / DONE, join(self.uri, f"{path.name}/{DONE}")):
                continue  # files of somebody else stay where they are
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _refuse_other_objects(self) -> None:
        """What is not in this folder is deleted there, so nothing of somebody else may be there."""
        try:
            found = sorted(list_files(self.uri))
        except FileNotFoundError:
            return
        if found:
            raise ValueError(
                f"{self.uri} is not empty ({', '.join(found[:3])}) and holds no run, so nothing is written there; name "
                "an empty place with --run"
            )

    def _refuse_missing(self) -> None:
        """Say "copied" only of what is there."""
        there = list_files(self.uri) if self._copied else {}
        missing = sorted(place for place, (size, _) in self._copied.items() if there.get(place) != size >= 0)
        missing += sorted(self._present().keys() - self._copied.keys() - self.tree.arrivals.all().keys())
        if missing:
            raise StorageError(
                f"{self.uri} lacks {len(missing)} files of this run ({', '.join(missing[:3])}); the same command "
                "copies them"
            )


def fetch_records(uri: str, folder: Path) -> None:
    """Only what the stages wrote down about themselves: enough to say what would become of each."""
    try:
        names = names_of(list_files(uri))
    except FileNotFoundError:
        return
    for place, name in names.items():
        if place.endswith((f"/{DONE}", f"/{BEGUN}")):
            copy_in(join(uri, place), folder / name)


def _state(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns


def _same_record(here: Path, there: str) -> bool:
    return here.exists() and here.read_bytes() == _read_or_none(there)


def _read_or_none(uri: str) -> bytes | None:
    try:
        return read(uri)
    except FileNotFoundError:
        return None
