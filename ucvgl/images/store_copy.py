"""Copies within a store of objects, which makes them by itself: no byte passes this machine."""

from __future__ import annotations

import shutil
from functools import partial

from pyarrow import fs

from ucvgl.images.retries import patiently
from ucvgl.images.storage import PIECE, locate

LARGEST = 5 * 2**30
"""Bytes of the largest file that S3 copies at once; a larger one passes through here."""


def copy_there(source: str, target: str, size: int) -> None:
    """Copy a file within its store; the copy appears whole or not at all.

    Args:
        size: bytes of the file.

    Raises:
        FileNotFoundError: there is no such file.
        StorageError: the store cannot be used.
    """
    (store, start), (_, end) = locate(source), locate(target)
    itself = size <= LARGEST or store.type_name != "s3"
    copy = partial(store.copy_file if itself else partial(_through_here, store), start, end)
    patiently(copy, target)


def _through_here(store: fs.FileSystem, start: str, end: str) -> None:
    with store.open_input_stream(start) as data, store.open_output_stream(end) as sink:
        shutil.copyfileobj(data, sink, PIECE)
