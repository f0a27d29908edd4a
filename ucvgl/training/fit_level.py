"""Teach a network how far from level photos were taken, by photos alone.

Nobody says how a camera was held. But a photo can be turned by known angles as if the camera had been, and hands are
level on average: a network that is to say by how much each copy was turned can do no better than see where the horizon
is. How the camera was held in truth is noise in what it is told, and averages out over the photos.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.atomic import whole
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.projection.level import (
    CHANNELS,
    FRAME,
    GROUPS,
    HIDDEN,
    LEAST_SPREAD,
    LEVEL,
    SEEN,
    SPREAD_DEG,
    Level,
    shapes,
)
from ucvgl.training import workers
from ucvgl.training.descent import Descent, adam_w
from ucvgl.training.fit_towers import schedule
from ucvgl.training.loop import Log, finish, run_steps

STEPS, EPOCHS, BATCH = 900, 30, 64
"""Steps at most, and how often each photo is seen at most: of 500 photos a network learned the pitch to 0.9 degrees in
300 steps, and to 1.25 in 900, by heart."""
LEARNING_RATE, WARM_UP = 2e-3, 0.2
LARGEST = 2.5
"""Largest angle that a photo is turned by, in standard deviations."""


class LevelNet(nn.Module):
    """Four convolutions and two layers: images as `standardised` gives them -> pitch and roll, of `SPREAD_DEG`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, wider in zip((3, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(channels, wider, 3, 2, 1), nn.GroupNorm(GROUPS, wider), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(shapes()[-4][1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 2"]:
        """Of each image, in multiples of `SPREAD_DEG`."""
        return self.layers(images)

    def as_level(self, frame_deg: float) -> Level:
        """The same without PyTorch."""
        weights = [part.detach().cpu().numpy() for part in self.parameters()]
        return Level([np.ascontiguousarray(part, np.float32) for part in weights], frame_deg)


def fit_level(folder: Path, *, frame_deg: float, seed: int, device: torch.device, log: Log) -> None:
    """Train on the photos in `frames.npy` and `shown.npy` of a folder; write `level.npz` to it.

    Args:
        folder: with the arrays [n f f 3] and [n 2] that `ucvgl.projection.level.framed` gives.
        frame_deg: angle across a frame.
    """
    torch.manual_seed(seed)
    net = LevelNet().to(device)
    descend = Descent(adam_w(net, LEARNING_RATE), device)
    wrapped = workers.distributed(net)
    frames, shown = (load_numbers(cached.here(folder / name), mmap_mode="r") for name in ("frames.npy", "shown.npy"))
    rows, weight = workers.share(BATCH), workers.weight(BATCH)
    steps = min(STEPS, math.ceil(EPOCHS * len(frames) / BATCH))

    def step(index: int) -> dict[str, Tensor]:
        random = np.random.default_rng((seed, 2, index))
        chosen = random.integers(len(frames), size=BATCH)[rows]
        turned = np.clip(random.normal(size=(BATCH, 2)), -LARGEST, LARGEST)[rows].astype(np.float32)
        mirrored = random.random(BATCH)[rows] < 0.5
        images = torch.from_numpy(frames[chosen]).to(device).permute(0, 3, 1, 2).float()
        images = torch.where(torch.from_numpy(mirrored).to(device)[:, None, None, None], images.flip(3), images)
        angles, inside = torch.from_numpy(turned).to(device), torch.from_numpy(shown[chosen]).to(device)
        seen = as_seen(turned_by(images, angles * SPREAD_DEG, frame_deg), inside)
        loss = F.smooth_l1_loss(wrapped(seen), angles)
        rate = LEARNING_RATE * schedule(index / steps, warm_up=WARM_UP)
        return {"level_loss": loss.detach(), "gradient": descend(loss * weight, rate)}

    state: dict[str, Any] = {"net": net, "optimizer": descend}
    run_steps(step, steps, name="level", folder=folder, state=state, images_per_step=BATCH, log=log)
    if workers.rank() == 0:
        with whole(folder / LEVEL) as aside:
            aside.write_bytes(net.as_level(frame_deg).to_bytes())
    finish(folder, "level")


def turned_by(
    frames: Float[Tensor, "n 3 f f"], angles_deg: Float[Tensor, "n 2"], frame_deg: float
) -> Float[Tensor, "n 3 s s"]:
    """The middles of frames as a camera would see them that was pitched and rolled further.

    Args:
        angles_deg: pitch upwards, and roll clockwise as the camera sees: it is rolled first, then raised.
        frame_deg: angle across a frame.
    """
    focal = FRAME / 2 / math.tan(math.radians(frame_deg) / 2)
    side = torch.arange(SEEN, device=frames.device) + 0.5 - SEEN / 2
    x, down = torch.meshgrid(side, side, indexing="xy")
    rays = torch.stack((x, torch.full_like(x, focal), -down), -1).reshape(-1, 3)
    pitch, roll = torch.deg2rad(angles_deg).T
    none, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    rolled = torch.stack((roll.cos(), none, roll.sin(), none, one, none, -roll.sin(), none, roll.cos()), 1)
    raised = torch.stack((one, none, none, none, pitch.cos(), -pitch.sin(), none, pitch.sin(), pitch.cos()), 1)
    east, ahead, up = torch.einsum("kj,nij->nki", rays, raised.view(-1, 3, 3) @ rolled.view(-1, 3, 3)).unbind(-1)
    grid = torch.stack((east / ahead, -up / ahead), -1) * (focal / (FRAME / 2))
    return F.grid_sample(frames, grid.view(-1, SEEN, SEEN, 2), padding_mode="reflection", align_corners=False)


def as_seen(images: Float[Tensor, "n 3 s s"], shown: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3 s s"]:
    """`ucvgl.projection.level.standardised`, on the device."""
    away = ((torch.arange(SEEN, device=images.device) + 0.5) / SEEN - 0.5).abs() * 2
    rows, columns = (away < share[:, None] for share in shown.unbind(1))
    inside = (rows[:, None, :, None] & columns[:, None, None, :]).float()
    count = 3 * inside.sum((1, 2, 3), keepdim=True)
    centred = (images - (images * inside).sum((1, 2, 3), keepdim=True) / count) * inside
    spread = ((centred**2).sum((1, 2, 3), keepdim=True) / count).sqrt()
    return centred / spread.clamp(min=LEAST_SPREAD)
