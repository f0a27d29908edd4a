"""A small process that outlives the driver of a local Ray, ends what that left running, and removes its folder.

Ray's own processes notice the death of their driver late, some after a minute, and leave sockets, logs and folders
behind. Nothing of the package is imported here: it runs beside the training.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

UP = b"up"
"""What it is sent when Ray has started."""
SUDDEN = "the program ended while Ray started; if nobody ended it, see whether ulimit -v and -u leave enough to it"
GRACE_S, LOOK_S = 5.0, 0.25
"""How long processes may take to end by themselves, and between two looks."""


def attend(folder: str) -> subprocess.Popen[bytes]:
    """Start a caretaker for a folder, which is also the `TMPDIR` of all that it is to end.

    It waits for the end of this process, however that comes, as its standard input then does.
    """
    command = [sys.executable, "-I", "-S", __file__, folder]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def tidy(folder: str) -> None:
    """End every process whose `TMPDIR` the folder is, at first patiently, and remove it."""
    end = time.monotonic() + GRACE_S
    while (found := living_in(folder)) and time.monotonic() < end:
        time.sleep(LOOK_S)
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def living_in(folder: str) -> list[int]:
    """Processes whose `TMPDIR` a folder is."""
    mark, found = b"TMPDIR=" + os.fsencode(folder), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as environment:
            if mark in environment.read().split(b"\0") and int(name) != os.getpid():
                found.append(int(name))
    return found


if __name__ == "__main__":
    if sys.stdin.buffer.read() != UP:  # the C++ part of Ray ends a process without a word
        print(SUDDEN, file=sys.stderr)
    tidy(sys.argv[1])
