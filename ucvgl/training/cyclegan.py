"""CycleGAN losses (Zhu et al. 2017; UCVGL section 3.1.1): two generators, two discriminators, nothing paired."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.generator import Discriminator, Generator
from ucvgl.settings.experiment import Translation
from ucvgl.training.ahead import sent

CYCLE_WEIGHT, IDENTITY_SHARE = 10.0, 0.5
"""Of the cycle loss against the adversarial one, and of the identity loss against the cycle's (Zhu et al. 2017)."""
Images = Float[Tensor, "n 3 h w"]
Scores = tuple[Float[Tensor, "n 1 p q"], Float[Tensor, "n 1 p q"]]


class Translated(NamedTuple):
    """What the two generators make of a batch of bird's-eye views and an unrelated batch of tiles."""

    fake_tile: Images
    fake_bev: Images
    cycled_bev: Images
    cycled_tile: Images
    same_tile: Images
    same_bev: Images


class Generators(nn.Module):
    """`to_tile` turns bird's-eye views into tiles, `to_bev` the reverse."""

    def __init__(self, settings: Translation) -> None:
        super().__init__()
        self.to_tile = Generator(channels=settings.channels, blocks=settings.blocks)
        self.to_bev = Generator(channels=settings.channels, blocks=settings.blocks)

    def forward(self, bev: Images, tile: Images) -> Translated:
        """Both images translated, cycled back, and put through the generator that should leave them alone."""
        fake_tile, fake_bev = self.to_tile(bev), self.to_bev(tile)
        cycled = self.to_bev(fake_tile), self.to_tile(fake_bev)
        return Translated(fake_tile, fake_bev, *cycled, self.to_tile(tile), self.to_bev(bev))


class Discriminators(nn.Module):
    """Scores of tiles and of bird's-eye views: near 1 for real ones, near 0 for made ones."""

    def __init__(self, settings: Translation) -> None:
        super().__init__()
        self.tile = Discriminator(channels=settings.channels)
        self.bev = Discriminator(channels=settings.channels)

    def forward(self, tile: Images, bev: Images) -> Scores:
        """How real tiles and bird's-eye views look."""
        return self.tile(tile), self.bev(bev)


def generator_loss(made: Translated, bev: Images, tile: Images, judged: Scores) -> Float[Tensor, ""]:
    """Adversarial + cycle + identity loss of both generators; `judged` are the scores of the two fakes.

    Args:
        made: what the generators have made of `bev` and `tile`.
    """
    fooled = least_squares(judged[0], 1.0) + least_squares(judged[1], 1.0)
    cycle = F.l1_loss(made.cycled_bev, bev) + F.l1_loss(made.cycled_tile, tile)
    identity = F.l1_loss(made.same_tile, tile) + F.l1_loss(made.same_bev, bev)
    return fooled + CYCLE_WEIGHT * (cycle + IDENTITY_SHARE * identity)


def discriminator_loss(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Half of the least-squares loss on real and on made images, over both domains."""
    wrong = [least_squares(score, 1.0) for score in real] + [least_squares(score, 0.0) for score in fake]
    return torch.stack(wrong).sum() / 2


def least_squares(score: Float[Tensor, "*shape"], target: float) -> Float[Tensor, ""]:
    """LSGAN: mean squared distance of the scores to the target."""
    return (score.float() - target).square().mean()


class ImagePool:
    """Recent fakes; half of those shown to a discriminator are older ones (Shrivastava et al. 2017).

    Args:
        device: where they are kept, wherever a checkpoint of them lay.
    """

    def __init__(self, capacity: int = 50, *, device: torch.device | str = "cpu") -> None:
        self.capacity, self.device = capacity, device
        self.images: Images | None = None

    def state_dict(self) -> dict[str, Images | None]:
        """What a checkpoint keeps of it."""
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, Images | None]) -> None:
        """Go on from a checkpoint."""
        images = state["images"]
        self.images = None if images is None else images.to(self.device)

    def swap(self, fakes: Images, generator: torch.Generator) -> Images:
        """Fakes for the discriminator; those that are held back replace the ones given out."""
        if self.images is None or len(self.images) < self.capacity:
            kept = fakes if self.images is None else torch.cat((self.images, fakes))
            self.images = kept[: self.capacity].clone()
            return fakes
        count = min(len(fakes) // 2, self.capacity)
        slots = sent(torch.randperm(self.capacity, generator=generator)[:count], fakes.device)
        out = torch.cat((self.images[slots], fakes[count:]))
        self.images[slots] = fakes[:count]
        return out
