"""Images of one size in Arrow shards: written once, read at random by row.

A store is a folder of `part-00000.arrow` files (Arrow IPC, uncompressed, so that a row is a slice of the memory map).
Columns: `id` string, `image` binary (RGB uint8, HWC, raw). Shape and checksums lie in the schema's metadata.

A store of a run in a bucket that does not fit into the cache of this machine is read there, image by image.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, UInt8, UInt64

from ucvgl.atomic import whole
from ucvgl.files import cached
from ucvgl.files.parts import number_of, numbered_parts
from ucvgl.files.tables import map_table, peek_table, required
from ucvgl.images.far_images import FarShard, LateShard, at_once
from ucvgl.images.same_files import same_contents

IMAGES = pa.schema(required(id=pa.string(), image=pa.binary()))
MOST_BYTES = 2**31 - 1
"""Of the pixels in a batch of rows: Arrow counts them in 32 bits."""


def shard_path(folder: Path | str, shard: int) -> Path:
    """Where shard number `shard` of a store lies."""
    return Path(folder) / f"part-{shard:05d}.arrow"


def write_shard(
    folder: Path | str,
    shard: int,
    ids: Sequence[str],
    images: UInt8[np.ndarray, "n h w 3"],
    *,
    contents: Sequence[str] = (),
) -> Path:
    """Write one shard under another name and publish it by rename, so that a shard that exists is whole.

    Args:
        shard: number of the shard, part of its name.
        ids: of the images, in their order.
        images: uint8, all of one size.
        contents: of the file of each, where it was one (`ucvgl.images.same_files.content_of`).

    Raises:
        ValueError: there are more or fewer ids than images.
    """
    if len(ids) != len(images):
        raise ValueError(f"{len(ids)} ids for {len(images)} images")
    path = shard_path(folder, shard)
    schema = pa.schema(
        [("id", pa.string()), ("image", pa.binary())],
        metadata={
            "shape": "x".join(map(str, images.shape[1:])),
            "crc32": str(_checksum(ids, [np.ascontiguousarray(images)])),
            "crc32_of_each": "".join(f"{zlib.crc32(np.ascontiguousarray(image).data):08x}" for image in images),
            "content_of_each": "".join(contents),
        },
    )
    at_once = max(1, MOST_BYTES // max(1, math.prod(images.shape[1:])))
    with whole(path) as aside, pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for first in range(0, len(ids), at_once):
            some = slice(first, first + at_once)
            columns = [pa.array(ids[some], pa.string()), _binary(images[some])]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return path


def _binary(images: UInt8[np.ndarray, "n h w 3"]) -> pa.BinaryArray:
    """The raw pixels of each image, without a copy."""
    ends = np.arange(len(images) + 1, dtype=np.int32) * np.int32(math.prod(images.shape[1:]))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(images))]
    return pa.BinaryArray.from_buffers(pa.binary(), len(images), buffers)


def shard_fits(path: Path) -> bool:
    """Whether a shard is what was written; one without a checksum, as of older versions, is believed."""
    try:
        table = _table(path)
        written = (table.schema.metadata or {}).get(b"crc32")
        pixels = (image.as_buffer() for image in table["image"])
        return written is None or int(written) == _checksum(table["id"].to_pylist(), pixels)
    except ValueError:  # not even a table of images
        return False


def _checksum(ids: Sequence[str], pixels: Iterable[Any]) -> int:
    found = zlib.crc32("\n".join(ids).encode())
    for some in pixels:
        found = zlib.crc32(some, found)
    return found


def shards_of(folder: Path | str) -> list[Path]:
    """The shards of a store, in row order.

    Raises:
        ValueError: there is none, or one is missing, was added or cut off.
    """
    shards = numbered_parts(Path(folder), "part-*.arrow")
    if not shards:
        raise ValueError(f"{folder} holds no image shard (part-*.arrow)")
    return shards


def shard_number(path: Path | str) -> int:
    """The number in a shard's name."""
    return number_of(Path(path))


def count_images(path: Path | str) -> int:
    """How many images a shard holds."""
    return (_ids(path) if cached.is_far(Path(path)) else _table(path)).num_rows


def read_shard(path: Path | str) -> tuple[list[str], UInt8[np.ndarray, "n h w 3"]]:
    """The ids and images of one shard, in memory of their own."""
    table = _table(path)
    pixels = bytearray().join(image.as_buffer() for image in table["image"])
    cached.done_with(Path(path))
    return table["id"].to_pylist(), np.frombuffer(pixels, np.uint8).reshape(-1, *_shape(table, path))


def _table(path: Path | str) -> pa.Table:
    table = map_table(path, IMAGES)
    size = math.prod(_shape(table, path))
    lengths = pc.call_function("binary_length", [table["image"]])
    if (lengths.to_numpy() != size).any():
        raise ValueError(f"{path} holds images that are not of {size} bytes, as its shape says; make it anew")
    return table


@lru_cache(maxsize=100_000)
def _ids(path: Path | str) -> pa.Table:
    """The ids of a shard that lies in a bucket alone; its pixels stay there."""
    return peek_table(path, IMAGES, 0)


def _far_images(path: Path, table: pa.Table) -> FarShard | LateShard:
    """The images of a shard in a bucket; it comes whole without a checksum of each (older versions) or of 2 GB."""
    noted = (table.schema.metadata or {}).get(b"crc32_of_each", b"").decode("ascii", "replace")
    size = math.prod(_shape(table, path))
    if not re.fullmatch(rf"[0-9a-f]{{{8 * len(table)}}}", noted) or len(table) * size > MOST_BYTES:
        return LateShard(lambda: _table(path)["image"])
    return FarShard(path, np.frombuffer(bytes.fromhex(noted), ">u4"), size)


def _contents(table: pa.Table) -> UInt64[np.ndarray, " n"]:
    """Digests of the files that images were read from; 0 where nobody noted them."""
    noted = (table.schema.metadata or {}).get(b"content_of_each", b"").decode("ascii", "replace")
    if not re.fullmatch(rf"[0-9a-f]{{{16 * len(table)}}}", noted):
        return np.zeros(len(table), np.uint64)
    return np.frombuffer(bytes.fromhex(noted), ">u8").astype(np.uint64)


def _shape(table: pa.Table, path: Path | str) -> tuple[int, int, int]:
    """Height, width and channels of the images of a shard."""
    written = (table.schema.metadata or {}).get(b"shape", b"").decode("ascii", "replace")
    if not re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}x3", written):
        raise ValueError(f"{path} says its images are {written!r}, not HEIGHTxWIDTHx3; make it anew")
    height, width, channels = map(int, written.split("x"))
    return height, width, channels


class ImageStore:
    """Random access to the images of a store by row; rows are numbered shard by shard."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.shards = shards_of(folder)
        cached.ahead(self.shards)
        far = [cached.is_far(path) for path in self.shards]
        tables = [_ids(path) if away else _table(path) for path, away in zip(self.shards, far, strict=True)]
        shapes = {_shape(table, path) for table, path in zip(tables, self.shards, strict=True)}
        if len(shapes) > 1:
            sizes = sorted("x".join(map(str, shape)) for shape in shapes)
            raise ValueError(f"the shards of {self.folder} disagree on the image size: {sizes}")
        self.shape = shapes.pop()
        self.ids = np.array([identity for table in tables for identity in table["id"].to_pylist()])
        self.contents = np.concatenate([_contents(table) for table in tables])
        self._images = [
            _far_images(path, table) if away else table["image"]
            for path, table, away in zip(self.shards, tables, far, strict=True)
        ]
        self._in_a_bucket = any(far)
        self._starts = np.cumsum([0] + [len(table) for table in tables])

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, rows: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "n h w 3"]:
        """The images at these rows, in this order, as a fresh array.

        Raises:
            ValueError: one that came from a bucket is not what was written.
            StorageError: the bucket cannot be used.
        """
        rows = np.asarray(rows)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        out = np.empty((len(rows), *self.shape), np.uint8)

        def put(place: int) -> None:
            shard = int(shards[place])
            image = self._images[shard][int(rows[place] - self._starts[shard])]
            pixels = image if isinstance(image, bytes) else image.as_buffer()
            out[place] = np.frombuffer(pixels, np.uint8).reshape(self.shape)

        if self._in_a_bucket:
            at_once(put, range(len(rows)))
        else:
            for place in range(len(rows)):
                put(place)
        return out

    def among(self, others: ImageStore) -> Bool[np.ndarray, " n"]:
        """Which of these images are in another store as well: by their id, or the same file under another name."""
        return np.isin(self.ids, others.ids) | same_contents(self.contents, others.contents)

    def rows_of(self, ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """The row of each id.

        Raises:
            KeyError: one of the ids is not here; names the first.
        """
        order = np.argsort(self.ids)
        place = np.searchsorted(self.ids, ids, sorter=order)
        rows = order[np.minimum(place, len(order) - 1)]
        absent = self.ids[rows] != np.asarray(ids)
        if absent.any():
            raise KeyError(f"{self.folder} has no image {np.asarray(ids)[absent][0]!r}")
        return rows
