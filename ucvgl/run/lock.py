"""One process at a time in a run folder."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def locked(folder: Path) -> int:
    """An open file that locks the folder until it is closed or its process ends, however that ends.

    Raises:
        ValueError: another process holds the lock.
    """
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode() or "unknown"
        os.close(lock)
        raise ValueError(
            f"another process ({holder}) is at work in {folder}; "
            f"wait for it, or choose another folder with --run NAME"
        ) from None
    except OSError as error:  # network folders without locks
        log.warning("%s cannot be locked (%s); run no second job in it", folder, error.strerror)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock
