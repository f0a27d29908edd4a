"""A whole image store through a generator, streamed by Ray Data shard by shard."""

from __future__ import annotations

from pathlib import Path

import torch

from ucvgl.distributed.cluster import gpu_share, threads_each
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.shard_rows import load_images, pixels, write_images
from ucvgl.distributed.stream import Row, Step, stream_missing
from ucvgl.images.image_store import count_images, shard_number, shard_path, shards_of
from ucvgl.networks.generator import load_generator, translate
from ucvgl.settings.experiment import Resources


def translate_images(source: Path, folder: Path, *, generator: Path, resources: Resources) -> None:
    """Render every image of the store `source` through a generator into the store `folder`.

    Args:
        folder: shards that exist there are kept.
        generator: file that `ucvgl.networks.generator.save_generator` wrote.
    """
    shards = shards_of(source)

    def missing() -> list[Row]:
        return [{"path": str(path)} for path in shards if not shard_path(folder, shard_number(path)).exists()]

    total = sum(map(count_images, shards))
    left = sum(count_images(Path(row["path"])) for row in missing())
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
        Step(write_images, {"folder": str(folder)}, at_once=2, cpus=0.5),
    )
    for row in stream_missing(missing, *steps):
        progress.advance(row["images"])


class Translate:
    """Actor that holds a generator."""

    def __init__(self, generator: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.generator = load_generator(generator, "cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, row: Row) -> Row:
        images = translate(self.generator, pixels(row))
        _, height, width, _ = images.shape
        return {**row, "image": images.tobytes(), "height": height, "width": width}
