"""Single images of a shard that lies in a bucket: for a store that is larger than the cache of a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock
from zlib import crc32

import numpy as np
import pyarrow as pa

from ucvgl.files import cached

AT_ONCE = 32
"""Images that are on their way to a process; a bucket takes tens of milliseconds for each."""
END_OF_STREAM, FOOTER_END, ALIGNED = 8, 10, 8
"""Bytes of Arrow's files behind the last column: what ends the batches; the length of the footer and the mark; and what
columns are padded to a multiple of."""


class FarShard:
    """The images of a shard, each fetched when it is asked for, alone, and compared with its checksum.

    Args:
        path: of the shard.
        sums: CRC-32 of each image, as `ucvgl.images.image_store.write_shard` noted them.
        size: bytes of an image.
    """

    def __init__(self, path: Path, sums: Sequence[int] | np.ndarray, size: int) -> None:
        self._path, self._sums, self._size = path, sums, size
        self._file: pa.NativeFile | None = None
        self._first = 0

    def __len__(self) -> int:
        return len(self._sums)

    def __getitem__(self, row: int) -> bytes:
        """The pixels of one image.

        Raises:
            ValueError: it is not what was written.
            StorageError: the bucket cannot be used.
        """
        pixels = cached.patiently_with(self._path, lambda: self._opened().read_at(self._size, self._at(row)))
        if crc32(pixels) != int(self._sums[row]):
            raise ValueError(
                f"image {row} of {self._path} is not what was made (its checksum differs): the shard in the bucket was "
                "damaged or changed; copy the run again from where it was made, or make this stage anew with --redo"
            )
        return pixels

    def _opened(self) -> pa.NativeFile:
        """The file, which stays open: to open it is to ask the bucket for its size."""
        if self._file is None:
            file = cached.open_far(self._path)
            end = file.size() - FOOTER_END
            footer = int.from_bytes(file.read_at(4, end), "little")
            pixels = -(-len(self) * self._size // ALIGNED) * ALIGNED
            self._first = end - footer - END_OF_STREAM - pixels
            self._file = file
        return self._file

    def _at(self, row: int) -> int:
        return self._first + row * self._size


class LateShard:
    """The images of a shard that comes whole, when the first of them is asked for.

    Args:
        images: fetches it.
    """

    def __init__(self, images: Callable[[], pa.ChunkedArray]) -> None:
        self._fetch, self._images = images, None
        self._alone = Lock()

    def __getitem__(self, row: int) -> bytes:
        """The pixels of one image."""
        with self._alone:
            self._images = self._fetch() if self._images is None else self._images
        return self._images[row].as_py()


def at_once(work: Callable[[int], None], numbers: Iterable[int]) -> None:
    """Do a piece of work for each number, many at a time."""
    for _ in _pool().map(work, numbers):
        pass


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "fetching-images")
