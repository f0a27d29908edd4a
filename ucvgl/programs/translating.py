"""A whole image store through a generator, shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ucvgl.files import cached
from ucvgl.images.image_store import read_shard, shard_number, shard_path, write_shard
from ucvgl.networks.generator import load_generator, translate
from ucvgl.programs.sharing import mine, read_ahead
from ucvgl.training.loop import Log


def translate_shards(shards: Sequence[Path], *, folder: Path, generator: Path, device: torch.device, log: Log) -> None:
    """Write the images of every shard as the generator renders them; a shard that exists in `folder` is kept.

    Args:
        generator: file that `ucvgl.networks.generator.save_generator` wrote.
    """
    network = load_generator(generator, device)
    made = {shard: shard_path(folder, shard_number(shard)) for shard in mine(shards)}
    wanted = set(cached.missing([*made.values()]))
    left = [shard for shard, path in made.items() if path in wanted]
    for shard, (ids, images) in read_ahead(read_shard, left):
        write_shard(folder, shard_number(shard), ids, translate(network, images))
        log(kept=len(ids))
