"""Where a sweep lies: in a folder, or in a bucket, where every trial is a run that any machine may go on with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ucvgl.atomic import write_whole
from ucvgl.files.cached import folder_of
from ucvgl.files.owned import refuse_foreign
from ucvgl.files.plain import MOST_IN_RECORD, read_plain
from ucvgl.images.storage import copy_in, copy_out, list_files, list_folders, read
from ucvgl.images.uris import join
from ucvgl.run.places import SHARED, STORES, local_folder
from ucvgl.run.record import DONE, FAILURE

WHAT = "sweep.yaml"
"""Says what a sweep tries."""
TOLD = ("metrics.jsonl", FAILURE, *(f"6_evaluate/{name}" for name in (DONE, "recall.json", "rounds.parquet")))
"""What a run says of itself, as far as a sweep asks."""
OTHER_PLACE = "name another folder with --run"


class Lies(NamedTuple):
    """Where a run of a sweep lies: the folder on this machine, and the place in a bucket that this is a copy of."""

    folder: Path
    store: str | None


@dataclass(frozen=True)
class Home:
    """Where a sweep lies.

    Args:
        where: a folder, or a place in a bucket; the same words on every machine.
    """

    where: str

    @property
    def store(self) -> str | None:
        """The place in a bucket, if it lies in one."""
        return self.where if self.where.startswith(STORES) else None

    @property
    def folder(self) -> Path:
        """Where this machine works: of a sweep in a bucket in its cache, so that no other machine need see it."""
        if self.store is None:
            return Path(self.where)
        return local_folder(self.where) if SHARED in os.environ else folder_of(self.where)

    @property
    def shared(self) -> Lies:
        """The run with the stages that all trials have in common."""
        return self._run("shared")

    def trial(self, number: int) -> Lies:
        """The run of a trial."""
        return self._run(f"trials/{number:03d}")

    @contextmanager
    def told_by(self, number: int) -> Iterator[Path]:
        """A folder with what a trial says of itself: its own, or what of that lies in the bucket now."""
        folder, store = self.trial(number)
        if store is None:
            yield folder
            return
        with TemporaryDirectory() as copy:
            for name in TOLD:
                with suppress(FileNotFoundError):
                    copy_in(join(store, name), Path(copy, name))
            yield Path(copy)

    def refuse_foreign(self) -> None:
        """Refuse a place that holds something, but no sweep.

        Raises:
            ValueError: it does.
        """
        if self.store is None:
            refuse_foreign(self.folder, (WHAT,), f"a sweep; {OTHER_PLACE}")
            return
        found: list[str] = []
        with suppress(FileNotFoundError):
            found = sorted(list_folders(self.store) | set(list_files(self.store, recursive=False)))
        if found and WHAT not in found:
            shown = ", ".join(found[:3])
            raise ValueError(
                f"{self.where} is not empty ({shown}), and is not a sweep; {OTHER_PLACE}, so that nothing in it is "
                "overwritten"
            )

    def text(self, name: str) -> bytes | None:
        """The content of a file of the sweep itself; None where there is none."""
        try:
            if self.store:
                return read(join(self.store, name), most=MOST_IN_RECORD)
            return read_plain(self.folder / name, MOST_IN_RECORD)
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> Path:
        """Write a file of the sweep itself; where it is on this machine."""
        path = self.folder / name
        write_whole(path, text)
        self.publish(path)
        return path

    def publish(self, path: Path) -> None:
        """Have a file of the sweep itself, which was written on this machine, where the sweep lies."""
        if self.store:
            copy_out(path, join(self.store, path.name))

    def _run(self, name: str) -> Lies:
        return Lies(self.folder / name, join(self.store, name) if self.store else None)
