"""One process at a time in a run folder, also where machines that share a network folder do not see its locks."""

from __future__ import annotations

import fcntl
import logging
import os
import platform
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ucvgl.atomic import flush

log = logging.getLogger(__name__)

LOCK = ".lock"
BEAT_S = 5.0
"""Between two signs of life in the file."""
PATIENCE_S = 20.0
"""For a sign of life of a process that this machine cannot see; its clock need not be ours."""
LENGTH = 256
"""Bytes of the file while it is held."""
MOUNTS = Path("/proc/mounts")
BUCKETS = re.compile(r"fuse\.(rclone|s3fs|gcsfuse|goofys|mountpoint-s3|geesefs|blobfuse2?)$|s3fs$|rclone$")
"""File systems that are buckets: what one machine writes, a lock too, others see late."""
HELD = re.compile(r"\d+ (?P<token>[0-9a-f]{32}) (?P<machine>\S+) process (?P<holder>.*)")
"""The file while it is held: a number that grows, and by whom. Older versions wrote the number of their process."""


class Lock:
    """A folder that is held; the file says by whom, and changes while that process lives.

    Args:
        file: is open and locked, as far as its file system knows locks.
        holder: who holds it, in words.
        superseded: called when another machine has taken it over.
    """

    def __init__(self, path: Path, file: int, holder: str, superseded: Callable[[], None]) -> None:
        self._path, self._file, self._superseded = path, file, superseded
        self._token, self._holder, self._beats = uuid.uuid4().hex, holder, 0
        self._over = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._live, daemon=True, name="lock")
        self._thread.start()

    def release(self) -> None:
        """Let another process have the folder."""
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            if self._token in _read(self._path):
                os.ftruncate(self._file, 0)
        os.close(self._file)

    def _live(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(OSError):  # a network folder that is away, or one that was deleted
                found = HELD.match(_read(self._path))
                if found and found["token"] != self._token:
                    log.error("%s has taken over %s; this process stops", found["holder"], self._path.parent)
                    return self._superseded()
                self._beat()

    def _beat(self) -> None:
        self._beats += 1
        os.pwrite(self._file, f"{self._beats} {self._token} {self._holder}".encode()[:LENGTH].ljust(LENGTH), 0)
        flush(self._path)


def locked(folder: Path, *, superseded: Callable[[], None] | None = None) -> Lock:
    """Hold a folder until the lock is released or this process ends, however that ends.

    Some network folders keep locks to each machine. So a file that another machine left is watched for a while: one
    that changes is held, one that does not is of a machine that is gone.

    Args:
        superseded: called when another machine has taken it over; by default this process ends.

    Raises:
        ValueError: another process holds it.
    """
    path, here = folder / LOCK, _machine(folder)
    if BUCKETS.match(kind := _file_system(folder)):
        log.warning(
            "%s is a bucket that was mounted (%s), where a job on another machine is not noticed in time; begin no two "
            "in it, or name the bucket itself with --run s3://...", folder, kind
        )  # fmt: skip
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        seen = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(path) from None
        except OSError as error:  # network folders without locks
            seen = False
            log.warning("%s cannot be locked (%s); begin no two jobs in it at one moment", folder, error.strerror)
        before = _read(path)
        left = HELD.match(before)
        if left and not (seen and left["machine"] == here):
            _watch(path, before)
        holder = f"{here} process {os.getpid()} on {platform.node() or 'this machine'}"
        return Lock(path, file, holder, superseded or terminate_this_process)
    except BaseException as error:
        os.close(file)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def _watch(path: Path, before: str) -> None:
    """Wait for a sign of life.

    Raises:
        ValueError: there was one.
    """
    log.warning("%s was held by %s; waiting %.0f s to see whether it lives", path.parent, _holder(before), PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        time.sleep(min(1.0, PATIENCE_S / 4))
        if _read(path) != before:
            raise _refusal(path)


def _refusal(path: Path) -> ValueError:
    return ValueError(
        f"another process ({_holder(_read(path))}) is at work in {path.parent}; "
        f"wait for it, or choose another folder with --run NAME"
    )


def _read(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # anew: a network folder shows what others wrote
    try:
        return os.read(file, LENGTH).decode("utf-8", "replace").strip()
    finally:
        os.close(file)


def _holder(content: str) -> str:
    """Who holds it, as the file says."""
    found = HELD.match(content)
    return found["holder"] if found else content or "unknown"


def _machine(folder: Path) -> str:
    """This machine since it was started, and the way it sees the folder: whoever has the same sees the same locks."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text().strip() if boot.exists() else platform.node()
    return f"{started}:{os.stat(folder).st_dev}"


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder lies in; empty where nobody says."""
    found, here = ("", ""), str(folder.resolve())
    with suppress(OSError):
        for line in MOUNTS.read_text(errors="replace").splitlines():
            where, kind = line.split()[1:3]
            where = where.replace("\\040", " ")
            if (here == where or here.startswith(where.rstrip("/") + "/")) and len(where) >= len(found[0]):
                found = where, kind
    return found[1]


def terminate_this_process() -> None:
    """End as after SIGTERM, from a thread."""
    os.kill(os.getpid(), signal.SIGTERM)
