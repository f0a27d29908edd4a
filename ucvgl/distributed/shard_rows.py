"""Image stores shard by shard, as tasks read and write them.

Nothing here imports torch, which would cost every reading process 3 s and hundreds of MB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from ucvgl.distributed.stream import Row
from ucvgl.images.image_store import write_shard


def shards_of(store: Path | str) -> list[Path]:
    """The shards of an image store, in row order."""
    shards = sorted(Path(store).glob("part-*.arrow"))
    if not shards:
        raise ValueError(f"{store} holds no image shard (part-*.arrow)")
    return shards


def read_shard(path: Path | str) -> tuple[list[str], UInt8[np.ndarray, "n h w 3"]]:
    """The ids and images of one shard."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    shape = tuple(int(side) for side in table.schema.metadata[b"shape"].decode().split("x"))
    pixels = b"".join(image.as_buffer() for image in table["image"])
    return table["id"].to_pylist(), np.frombuffer(pixels, np.uint8).reshape(-1, *shape)


def count_images(path: Path | str) -> int:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all().num_rows


def shard_number(path: Path | str) -> int:
    return int(Path(path).stem.removeprefix("part-"))


def load_images(row: Row) -> Row:
    """The images of the shard at `row["path"]`."""
    ids, images = read_shard(row["path"])
    _, height, width, _ = images.shape
    shard = shard_number(row["path"])
    return {"shard": shard, "id": ids, "image": images.tobytes(), "height": height, "width": width}


def write_images(row: Row, *, folder: str) -> Row:
    """Publish the images of one row as a shard."""
    write_shard(folder, row["shard"], list(row["id"]), pixels(row))
    return {"shard": row["shard"], "images": len(row["id"])}


def pixels(row: Row) -> UInt8[np.ndarray, "n h w 3"]:
    return np.frombuffer(row["image"], np.uint8).reshape(-1, row["height"], row["width"], 3)
