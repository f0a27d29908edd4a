"""Shards of images as the rows that tasks pass on.

Nothing here imports torch, which would cost every reading process 3 s and hundreds of MB.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ucvgl.distributed.stream import Row
from ucvgl.images.image_store import read_shard, shard_number, write_shard


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
    """The images of a row, without a copy."""
    return np.frombuffer(row["image"], np.uint8).reshape(-1, row["height"], row["width"], 3)
