"""Train the CycleGAN on unpaired bird's-eye views and tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ucvgl.config import Translation
from ucvgl.data.image_store import ImageStore
from ucvgl.gan.cyclegan import Discriminators, Generators, ImagePool, discriminator_loss, generator_loss
from ucvgl.gan.generator import save_generator, to_signed
from ucvgl.model import workers
from ucvgl.model.loop import Log, finish, run_steps


def fit_cyclegan(
    folder: Path, bevs: Path, tiles: Path, *, settings: Translation, seed: int, device: torch.device, log: Log
) -> None:
    """Train on the images of two stores and write `to_tile.pt`, the generator from BEV to tile, into `folder`.

    Each step draws `settings.batch` images of either store, independently of each other, and mirrors half of them.
    The learning rate is constant for one half of the steps and falls linearly to 0 over the other.
    """
    torch.manual_seed(seed)
    generators = Generators(settings).to(device).to(memory_format=torch.channels_last)
    judges = Discriminators(settings).to(device).to(memory_format=torch.channels_last)
    make, judge = workers.distributed(generators), workers.distributed(judges)
    optimizers = [
        torch.optim.Adam(part.parameters(), settings.learning_rate, betas=(0.5, 0.999)) for part in (generators, judges)
    ]
    stores = ImageStore(bevs), ImageStore(tiles)
    pools = ImagePool(), ImagePool()
    rows = workers.share(settings.batch)

    def step(index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((seed, 1, index))
        bev, tile = (draw(store, settings.batch, rng, rows).to(device) for store in stores)
        swaps = torch.Generator().manual_seed(int(rng.integers(1 << 60)))
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = settings.learning_rate * min(1.0, 2 - 2 * index / settings.steps)
        with torch.autocast(device.type, torch.bfloat16):
            made = make(bev, tile)
            judges.requires_grad_(False)
            loss = generator_loss(made, bev, tile, judges(made.fake_tile, made.fake_bev), settings)
            judges.requires_grad_(True)
            _descend(optimizers[0], loss)
            shown = [
                pool.swap(fake.detach().float(), swaps) for pool, fake in zip(pools, made[:2], strict=True)
            ]
            judged = discriminator_loss(judge(tile, bev), judge(*shown))
            _descend(optimizers[1], judged)
        return {"generator_loss": loss.detach(), "discriminator_loss": judged.detach()}

    state = {
        "generators": generators,
        "judges": judges,
        "generator_steps": optimizers[0],
        "judge_steps": optimizers[1],
        "tile_pool": pools[0],
        "bev_pool": pools[1],
    }
    run_steps(
        step, settings.steps, name="translate", folder=folder, state=state, images_per_step=2 * settings.batch, log=log
    )
    if workers.rank() == 0:
        save_generator(generators.to_tile, folder / "to_tile.pt")
    finish(folder, "translate")


def draw(store: ImageStore, batch: int, rng: np.random.Generator, rows: slice) -> Tensor:
    """This worker's rows of a random batch, mirrored at random, in -1..1."""
    chosen, mirrored = rng.integers(len(store), size=batch)[rows], rng.random(batch)[rows] < 0.5
    images = store.read(chosen)
    images[mirrored] = images[mirrored, :, ::-1]
    return to_signed(images).contiguous(memory_format=torch.channels_last)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
