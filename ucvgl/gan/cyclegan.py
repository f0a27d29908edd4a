"""CycleGAN losses (Zhu et al. 2017; UCVGL section 3.1.1): two generators, two discriminators, nothing paired."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.config import Translation
from ucvgl.gan.generator import Discriminator, Generator

Images = Float[Tensor, "n 3 h w"]


class CycleGAN(nn.Module):
    """`to_tile` turns bird's-eye views into tiles, `to_bev` the reverse; each domain has a discriminator."""

    def __init__(self, settings: Translation) -> None:
        super().__init__()
        self.settings = settings
        self.to_tile = Generator(channels=settings.channels, blocks=settings.blocks)
        self.to_bev = Generator(channels=settings.channels, blocks=settings.blocks)
        self.judge_tile = Discriminator(channels=settings.channels)
        self.judge_bev = Discriminator(channels=settings.channels)

    def generators(self) -> list[nn.Parameter]:
        return [*self.to_tile.parameters(), *self.to_bev.parameters()]

    def discriminators(self) -> list[nn.Parameter]:
        return [*self.judge_tile.parameters(), *self.judge_bev.parameters()]

    def forward(self, part: str, *images: Images) -> tuple[Tensor, ...]:
        """One of the two alternating losses, so that a distributed wrapper sees a single entrance."""
        return self.generator_loss(*images) if part == "generators" else self.discriminator_loss(*images)

    def generator_loss(self, bev: Images, tile: Images) -> tuple[Float[Tensor, ""], Images, Images]:
        """Adversarial + cycle + identity loss, and the two fakes: (loss, fake tiles, fake BEVs)."""
        settings = self.settings
        fake_tile, fake_bev = self.to_tile(bev), self.to_bev(tile)
        fooled = least_squares(self.judge_tile(fake_tile), 1.0) + least_squares(self.judge_bev(fake_bev), 1.0)
        cycle = F.l1_loss(self.to_bev(fake_tile), bev) + F.l1_loss(self.to_tile(fake_bev), tile)
        identity = bev.new_zeros(())
        if settings.identity_weight:
            identity = F.l1_loss(self.to_tile(tile), tile) + F.l1_loss(self.to_bev(bev), bev)
        loss = fooled + settings.cycle_weight * (cycle + settings.identity_weight * identity)
        return loss, fake_tile.detach(), fake_bev.detach()

    def discriminator_loss(self, bev: Images, tile: Images, fake_tile: Images, fake_bev: Images) -> tuple[Tensor]:
        """Half of the least-squares loss of each discriminator on real and (pooled) fake images."""
        real = least_squares(self.judge_tile(tile), 1.0) + least_squares(self.judge_bev(bev), 1.0)
        fake = least_squares(self.judge_tile(fake_tile), 0.0) + least_squares(self.judge_bev(fake_bev), 0.0)
        return ((real + fake) / 2,)


def least_squares(score: Tensor, target: float) -> Float[Tensor, ""]:
    """LSGAN: mean squared distance of the scores to the target."""
    return (score.float() - target).square().mean()


class ImagePool:
    """The last fakes, mixed: half of the time an older fake is shown in place of a new one (Shrivastava et al. 2017)."""

    def __init__(self, capacity: int = 50) -> None:
        self.capacity = capacity
        self.images: Images | None = None

    def state_dict(self) -> dict[str, Tensor | None]:
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, Tensor | None]) -> None:
        self.images = state["images"]

    def swap(self, fakes: Images, generator: torch.Generator) -> Images:
        """Fakes for the discriminator; those that are held back replace the ones given out."""
        if self.images is None or len(self.images) < self.capacity:
            kept = fakes if self.images is None else torch.cat((self.images, fakes))
            self.images = kept[: self.capacity].clone()
            return fakes
        count = min(len(fakes) // 2, self.capacity)
        slots = torch.randperm(self.capacity, generator=generator)[:count].to(fakes.device)
        older, out = self.images[slots].clone(), fakes.clone()
        self.images[slots] = fakes[:count]
        out[:count] = older
        return out
