"""Connections to stores: one per bucket and process, with the time that an answer may take."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyarrow import fs

from ucvgl.images import azure
from ucvgl.images.retries import StorageError, patiently

AT_ONCE = 16
"""Requests of one process that are under way at the same time."""

CONNECT_S, ANSWER_S = 10, 60
"""How long a store may take. Arrow gives up after 1 s and 3 s, and a page of a large listing may take longer: it would
be asked for again and again, and never come."""
GOOGLE_S = 20
"""How long Google's client tries again by itself, and says nothing. Left alone it takes 15 minutes."""


@lru_cache(maxsize=64)
def connected(root: str) -> fs.FileSystem:
    """The store of a bucket; local files where the root is empty.

    Raises:
        StorageError: pyarrow cannot read the root, or nothing answers.
    """
    if not root:
        return fs.LocalFileSystem()
    pa.set_io_thread_count(max(AT_ONCE, pa.io_thread_count()))
    scheme, _, host = root.partition("://")
    if scheme in azure.SCHEMES:
        return azure.connected(host.partition("?")[0])
    try:
        filesystem = patiently(lambda: fs.FileSystem.from_uri(root)[0], root)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StorageError(f"{root} is not a place that can be read: {error}") from error
    except OSError as error:  # S3 is asked for the region of a bucket
        raise StorageError(f"{root} cannot be reached: {' '.join(str(error).split())}") from error
    if filesystem.type_name == "s3":
        return _anew(filesystem, connect_timeout=CONNECT_S, request_timeout=ANSWER_S)
    if filesystem.type_name == "gcs" and "retry_limit_seconds" not in root:
        return _anew(filesystem, retry_time_limit=timedelta(seconds=GOOGLE_S))
    return filesystem


def forget_connections() -> None:
    """Connect anew next time, by the environment of that time."""
    connected.cache_clear()
    azure.forget_clients()


def _anew(store: fs.FileSystem, **settings: Any) -> fs.FileSystem:
    """The same store with what a URI cannot ask for, made as from a pickle."""
    rebuild, (before,) = store.__reduce__()  # type: ignore[misc]
    return rebuild(before | settings)
