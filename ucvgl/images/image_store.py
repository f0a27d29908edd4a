"""Images of one size in Arrow shards: written once, read at random by row.

A store is a folder of `part-00000.arrow` files (Arrow IPC, uncompressed, so that a row is a slice of the memory map).
Columns: `id` string, `image` binary (RGB uint8, HWC, raw). The shape lies in the schema's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from ucvgl.atomic import whole

MOST_BYTES = 2**31 - 1
"""Of the pixels in a batch of rows: Arrow counts them in 32 bits."""


def shard_path(folder: Path | str, shard: int) -> Path:
    return Path(folder) / f"part-{shard:05d}.arrow"


def write_shard(
    folder: Path | str, shard: int, ids: Sequence[str], images: UInt8[np.ndarray, "n h w 3"]
) -> Path:
    """Write one shard under another name and publish it by rename, so that a shard that exists is whole."""
    if len(ids) != len(images):
        raise ValueError(f"{len(ids)} ids for {len(images)} images")
    path = shard_path(folder, shard)
    schema = pa.schema(
        [("id", pa.string()), ("image", pa.binary())],
        metadata={"shape": "x".join(map(str, images.shape[1:]))},
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


class ImageStore:
    """Random access to the images of a store by row; rows are numbered shard by shard."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.shards = sorted(self.folder.glob("part-*.arrow"))
        if not self.shards:
            raise ValueError(f"{self.folder} holds no image shard (part-*.arrow)")
        tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in self.shards]
        shapes = {table.schema.metadata[b"shape"].decode() for table in tables}
        if len(shapes) > 1:
            raise ValueError(f"the shards of {self.folder} disagree on the image size: {sorted(shapes)}")
        self.shape = tuple(int(side) for side in shapes.pop().split("x"))
        self.ids = np.array([identity for table in tables for identity in table["id"].to_pylist()])
        self._images = [image for table in tables for image in table["image"].chunks]
        self._starts = np.cumsum([0] + [len(chunk) for chunk in self._images])

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, rows: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "n h w 3"]:
        """The images at these rows, in this order, as a fresh array."""
        rows = np.asarray(rows)
        chunks = np.searchsorted(self._starts, rows, side="right") - 1
        out = np.empty((len(rows), *self.shape), np.uint8)
        for place, (row, chunk) in enumerate(zip(rows, chunks, strict=True)):
            value = self._images[chunk][int(row - self._starts[chunk])]
            out[place] = np.frombuffer(value.as_buffer(), np.uint8).reshape(self.shape)
        return out

    def rows_of(self, ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """The row of each id; `KeyError` names the first that is not here."""
        order = np.argsort(self.ids)
        place = np.searchsorted(self.ids, ids, sorter=order)
        rows = order[np.minimum(place, len(order) - 1)]
        absent = self.ids[rows] != np.asarray(ids)
        if absent.any():
            raise KeyError(f"{self.folder} has no image {np.asarray(ids)[absent][0]!r}")
        return rows
