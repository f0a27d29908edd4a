"""Image stores shard by shard: what one task reads, without opening the rest of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8


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
