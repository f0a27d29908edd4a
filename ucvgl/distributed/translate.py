"""A whole image store through a generator, streamed by Ray Data shard by shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ucvgl.config import Resources
from ucvgl.data.image_store import shard_path, write_shard
from ucvgl.distributed.cluster import gpu_share, threads_each
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.shards import count_images, read_shard, shard_number, shards_of
from ucvgl.distributed.stream import Row, Step, stream
from ucvgl.gan.generator import load_generator, translate


def translate_images(source: Path, folder: Path, *, generator: Path, resources: Resources) -> None:
    """Render every image of the store `source` through a generator into the store `folder`."""
    shards = shards_of(source)
    missing = [path for path in shards if not shard_path(folder, shard_number(path)).exists()]
    total, left = (sum(map(count_images, some)) for some in (shards, missing))
    progress = Progress(f"translate {folder.name}", total, done=total - left)
    # in:        path
    # load:      shard, id [n], image (raw pixels), height, width
    # Translate: shard, id [n], image, height, width
    # write:     shard, images (how many were written)
    steps = (
        Step(load_images, at_once=resources.model_workers + 1, cpus=0.5),
        Step(
            Translate,
            {"generator": str(generator), "threads": threads_each(resources.model_workers)},
            at_once=resources.model_workers,
            gpus=gpu_share(resources.model_gpus),
        ),
        Step(write_translated, {"folder": str(folder)}, at_once=2, cpus=0.5),
    )
    for row in stream([{"path": str(path)} for path in missing], *steps):
        progress.advance(row["images"])


def load_images(row: Row) -> Row:
    ids, images = read_shard(row["path"])
    _, height, width, _ = images.shape
    shard = shard_number(row["path"])
    return {"shard": shard, "id": ids, "image": images.tobytes(), "height": height, "width": width}


class Translate:
    """Actor that holds a generator."""

    def __init__(self, generator: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.generator = load_generator(generator, "cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, row: Row) -> Row:
        images = translate(self.generator, _pixels(row))
        _, height, width, _ = images.shape
        return {**row, "image": images.tobytes(), "height": height, "width": width}


def write_translated(row: Row, *, folder: str) -> Row:
    write_shard(folder, row["shard"], list(row["id"]), _pixels(row))
    return {"shard": row["shard"], "images": len(row["id"])}


def _pixels(row: Row) -> np.ndarray:
    return np.frombuffer(row["image"], np.uint8).reshape(-1, row["height"], row["width"], 3)
