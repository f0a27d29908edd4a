"""Train the CycleGAN on unpaired bird's-eye views and tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucvgl.images.image_store import ImageStore
from ucvgl.networks.generator import save_generator, to_signed
from ucvgl.networks.mixed import mixed_precision
from ucvgl.settings.experiment import Translation
from ucvgl.training import workers
from ucvgl.training.ahead import Ahead, ready
from ucvgl.training.cyclegan import Discriminators, Generators, ImagePool, discriminator_loss, generator_loss
from ucvgl.training.descent import Descent
from ucvgl.training.loop import Log, finish, run_steps

LEARNING_RATE = 2e-4
"""Zhu et al. 2017."""


def fit_cyclegan(
    folder: Path, bevs: Path, tiles: Path, *, settings: Translation, seed: int, device: torch.device, log: Log
) -> None:
    """Train on the images of two stores and write `to_tile.pt`, the generator from BEV to tile, into `folder`.

    Each step draws `settings.batch` images of either store, independently of each other, and mirrors half of them.
    The learning rate is constant for one half of the steps and falls linearly to 0 over the other. Every worker has the
    same pools, of the fakes of all workers.

    Args:
        bevs: store of one side.
        tiles: store of the other; nothing says which belong together.
    """
    torch.manual_seed(seed)
    # not channels_last, which InstanceNorm2d copies: a step of `cvact` on an H200 took 270 ms with it and takes 212
    generators = Generators(settings).to(device)
    judges = Discriminators(settings).to(device)
    make, judge = workers.distributed(generators), workers.distributed(judges)
    descents = [
        Descent(torch.optim.Adam(part.parameters(), LEARNING_RATE, betas=(0.5, 0.999), fused=True), device)
        for part in (generators, judges)
    ]
    stores = ImageStore(bevs), ImageStore(tiles)
    pools = ImagePool(device=device), ImagePool(device=device)
    rows, weight = workers.share(settings.batch), workers.weight(settings.batch)

    def read(index: int) -> tuple[Tensor, Tensor, int]:
        rng = np.random.default_rng((seed, 1, index))
        bev, tile = (ready(draw(store, settings.batch, rng, rows), device) for store in stores)
        return bev, tile, int(rng.integers(1 << 60))

    def step(index: int) -> dict[str, Tensor]:
        *images, swaps_seed = batches[index]
        bev, tile = (part.to(device, non_blocking=True) for part in images)
        swaps = torch.Generator().manual_seed(swaps_seed)
        rate = LEARNING_RATE * min(1.0, 2 - 2 * index / settings.steps)
        with mixed_precision(device):
            made = make(bev, tile)
            judges.requires_grad_(False)
            loss = generator_loss(made, bev, tile, judges(made.fake_tile, made.fake_bev))
            judges.requires_grad_(True)
        gradient = descents[0](loss * weight, rate)
        with mixed_precision(device):
            fakes = [workers.gather(fake.detach().float(), settings.batch) for fake in made[:2]]
            shown = [pool.swap(fake, swaps)[rows] for pool, fake in zip(pools, fakes, strict=True)]
            judged = discriminator_loss(judge(tile, bev), judge(*shown))
        descents[1](judged * weight, rate)
        return {"generator_loss": loss.detach(), "discriminator_loss": judged.detach(), "gradient": gradient}

    def seen(index: int) -> dict[str, Any]:
        rng = np.random.default_rng((seed, 1, index))
        return {"ids": [store.ids[chosen(store, settings.batch, rng)[0]].tolist() for store in stores]}

    state = {
        "generators": generators,
        "judges": judges,
        "generator_steps": descents[0],
        "judge_steps": descents[1],
        "tile_pool": pools[0],
        "bev_pool": pools[1],
    }
    with Ahead(read, settings.steps) as batches:
        run_steps(
            step, settings.steps, name="translate", folder=folder, state=state, images_per_step=2 * settings.batch,
            log=log, seen=seen, waited=lambda: batches.waited_s,
        )  # fmt: skip
    if workers.rank() == 0:
        save_generator(generators.to_tile, folder / "to_tile.pt")
    finish(folder, "translate")


def draw(store: ImageStore, batch: int, rng: np.random.Generator, rows: slice) -> Float[Tensor, "n 3 h w"]:
    """This worker's rows of a random batch, mirrored at random, in -1..1.

    Args:
        batch: images of all workers.
        rows: those of this one.
    """
    numbers, mirrored = (part[rows] for part in chosen(store, batch, rng))
    images = store.read(numbers)
    images[mirrored] = images[mirrored, :, ::-1]
    return to_signed(images).contiguous()


def chosen(
    store: ImageStore, batch: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " b"], Bool[np.ndarray, " b"]]:
    """The rows of a random batch, and which of them are mirrored."""
    return rng.integers(len(store), size=batch), rng.random(batch) < 0.5
