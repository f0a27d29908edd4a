"""A run and the place in a bucket that it is in, if it is in one, while a process is at work on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ucvgl.run.mirror import Mirror
from ucvgl.run.run_dir import RunDir


@contextmanager
def stored(run: RunDir, store: str | None) -> Iterator[Mirror | None]:
    """Bring a run from its store if it has one, and copy it there while the context lasts.

    Args:
        run: not opened yet.
        store: place in a bucket; without one nothing is done.

    Raises:
        ValueError: another process of this machine is at work on the run, or the place holds something else.
        StorageError: the store cannot be used.
    """
    if not store:
        yield None
        return
    run.lock()
    mirror = Mirror(run.path, store)
    mirror.fetch()
    with mirror:
        try:
            yield mirror
        finally:
            run.flush()
