"""UCVGL's recipe in one plain file, to compare with (`time_to_recall.py`): PyTorch, no Ray, nothing of ucvgl.

Encoders of the same size, the losses, schedule and augmentation of the row `paper_bare` (`recipe_rows.py`), in plain
loops. Images come as arrays, panoramas and their bird's-eye views row by row, tiles in any order; nothing says which
tile belongs to which panorama.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH, RATE, DECAY, CLIP, AVERAGE = 64, 2e-3, 0.01, 10.0, 0.98
INTRA_EPOCHS, CROSS_EPOCHS, ROUNDS, ROUND_STEPS = 3, 2, 15, 50
FIRST_MARGIN, FINAL_MARGIN, MOST_COPIES, FEWEST_LABELS = 0.05, 0.02, 32, 8
SMOOTHING, FAKE_SMOOTHING = 0.1, 0.3
SHIFT, DEGREES, SCALE, TONE, HOLES, HOLE = 0.06, 6.0, 0.1, 0.8, 3, 0.3


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.conv(self.norm(x)))


class Encoder(nn.Module):
    """An image to a vector of length 1: strided convolutions, then eight spatial maps (SAFA)."""

    def __init__(self, height: int, width: int, channels: int = 64, heads: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), Residual(64),
            nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(), Residual(128), Residual(128),
            nn.GroupNorm(8, 128), nn.Conv2d(128, channels, 1),
        )  # fmt: skip
        places = height // 8 * (width // 8)
        linear = [(nn.Linear(places, places // 2), nn.Linear(places // 2, places)) for _ in range(heads)]
        self.heads = nn.ModuleList(nn.Sequential(*both) for both in linear)

    def forward(self, images: Tensor) -> Tensor:
        mean, deviation = images.mean((2, 3), keepdim=True), images.std((2, 3), keepdim=True)
        features = self.layers((images - mean) / (deviation + 1e-2)).flatten(2)
        peak = features.amax(1)
        pooled = [(features * head(peak)[:, None]).sum(2) for head in self.heads]
        return F.normalize(torch.cat(pooled, 1), dim=1)


class Towers(nn.Module):
    def __init__(self, panorama: torch.Size, tile: torch.Size) -> None:
        super().__init__()
        self.ground, self.above = Encoder(*panorama), Encoder(*tile)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))


class Images(NamedTuple):
    panoramas: Tensor
    bevs: Tensor  # of the panoramas, in their order
    tiles: Tensor


class Source(NamedTuple):
    """Pairs of rows, and what sees them: both sides from the `ground`, both from `above`, or one of each (`both`)."""

    views: str
    first: Tensor
    second: Tensor
    row: Tensor
    other: Tensor
    smoothing: float


def learn(images: Images, seed: int, state: dict[str, Any] | None = None) -> Iterator[tuple[str, Towers, dict]]:
    """The stages one after the other: their name, the encoders that embed, and what to go on from.

    Args:
        state: what came with the last stage; its training goes on with the next.
    """
    torch.manual_seed(seed)
    towers = Towers(images.panoramas.shape[2:], images.tiles.shape[2:])
    average = copy.deepcopy(towers)
    optimizer = torch.optim.AdamW(towers.parameters(), RATE, weight_decay=DECAY)
    parts, done = {"towers": towers, "average": average, "optimizer": optimizer}, 0
    if state:
        done = state["done"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    place, tile = torch.arange(len(images.panoramas)), torch.arange(len(images.tiles))
    above = [
        Source("above", images.tiles, images.tiles, tile, tile, SMOOTHING),
        Source("above", images.bevs, images.bevs, place, place, SMOOTHING),
    ]
    for number in range(done, 2 + ROUNDS):
        torch.manual_seed(seed * 1000 + number)
        name, span, epochs = "cold_start_intra", (0.0, 1.0), INTRA_EPOCHS
        if number == 0:
            sources = [Source("ground", images.panoramas, images.panoramas, place, place, SMOOTHING), *above]
        elif number == 1:
            name, epochs = "cold_start_cross", CROSS_EPOCHS
            sources = [Source("both", images.panoramas, images.bevs, place, place, FAKE_SMOOTHING), *above]
        else:
            index = number - 2
            name, span = f"round_{index:02d}", (index / ROUNDS, (index + 1) / ROUNDS)
            relaxed = (1 - math.cos(math.pi * index / (ROUNDS - 1))) / 2
            found = labels(average, images, margin=FIRST_MARGIN + (FINAL_MARGIN - FIRST_MARGIN) * relaxed)
            if len(found[0]) < FEWEST_LABELS:
                return
            copies = max(1, min(MOST_COPIES, round(len(place) / len(found[0]))))
            sources = [Source("both", images.panoramas, images.tiles, *found, SMOOTHING)] * copies
            epochs = max(1, math.ceil(ROUND_STEPS / (copies * math.ceil(len(found[0]) / BATCH))))
        fit(towers, average, optimizer, sources, epochs, span)
        yield name, average, {"done": number + 1} | {key: part.state_dict() for key, part in parts.items()}


def labels(towers: Towers, images: Images, *, margin: float) -> tuple[Tensor, Tensor]:
    """Panoramas and tiles that choose each other, the panoramas with a lead over their second tile."""
    alike = describe(towers.ground, images.panoramas) @ describe(towers.above, images.tiles).T
    two, best = alike.topk(2, 1)
    mutual = alike.argmax(0)[best[:, 0]] == torch.arange(len(alike))
    query = torch.nonzero(mutual & (two[:, 0] - two[:, 1] >= margin))[:, 0]
    return query, best[query, 0]


@torch.no_grad()
def describe(encoder: Encoder, images: Tensor) -> Tensor:
    return torch.cat([encoder(part.float() / 255) for part in images.split(128)])


def fit(towers, average, optimizer, sources: list[Source], epochs: int, span: tuple[float, float]) -> None:
    steps: list[tuple[Source, Tensor]] = []
    for _ in range(epochs):
        batches = [(source, rows) for source in sources for rows in torch.randperm(len(source.row)).split(BATCH)]
        full = [step for step in batches if 2 * len(step[1]) >= BATCH] or batches
        steps += [full[at] for at in torch.randperm(len(full))]
    warm = max(0.02, 24 * (span[1] - span[0]) / len(steps))
    for number, (source, rows) in enumerate(steps):
        progress, views = span[0] + (span[1] - span[0]) * number / len(steps), source.views
        rate = (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2
        for group in optimizer.param_groups:
            group["lr"] = RATE * (rate if progress >= warm else (progress + 1e-3) / (warm + 1e-3))
        quarters, flip = torch.randint(4, (len(rows),)).tolist(), (torch.rand(len(rows)) < 0.5).tolist()
        a = varied(source.first[source.row[rows]], quarters, flip, above=views == "above")
        b = varied(source.second[source.other[rows]], quarters, flip, above=views != "ground")
        a = (towers.above if views == "above" else towers.ground)(a)
        b = (towers.ground if views == "ground" else towers.above)(b)
        logits, target = towers.scale.exp() * a @ b.T, torch.arange(len(rows))
        both = torch.cat((logits, logits.T))  # panoramas among tiles, tiles among panoramas
        loss = F.cross_entropy(both, target.repeat(2), label_smoothing=source.smoothing)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(towers.parameters(), CLIP)
        optimizer.step()
        with torch.no_grad():
            towers.scale.clamp_(max=math.log(100))
            for kept, new in zip(average.parameters(), towers.parameters(), strict=True):
                kept.lerp_(new, 1 - AVERAGE)


def varied(images: Tensor, quarters: list[int], flip: list[bool], *, above: bool) -> Tensor:
    """Mirrored and turned with the other side of the pair; then moved, coloured and covered on its own."""
    shown = [image.flip(2) if mirror else image for image, mirror in zip(images, flip, strict=True)]
    if above:
        shown = [torch.rot90(image, by, (1, 2)) for image, by in zip(shown, quarters, strict=True)]
    else:
        shown = [torch.roll(image, -by * (image.shape[2] // 4), 2) for image, by in zip(shown, quarters, strict=True)]
    seen, count = torch.stack(shown).float() / 255, len(images)
    angle, size = uniform(count) * math.radians(DEGREES), 1 + uniform(count) * SCALE
    if above:
        cos, sin, move = size * angle.cos(), size * angle.sin(), uniform(count, 2) * 2 * SHIFT
        theta = torch.stack((cos, -sin, move[:, 0], sin, cos, move[:, 1]), 1).unflatten(1, (2, 3))
        grid = F.affine_grid(theta, list(seen.shape), align_corners=False)
        seen = F.grid_sample(seen, grid, padding_mode="border", align_corners=False)
    else:
        columns = (angle / (2 * math.pi) * seen.shape[3]).round().int().tolist()
        seen = torch.stack([torch.roll(x, -by, 2) for x, by in zip(seen, columns, strict=True)])
    height, width = seen.shape[2:]
    mixing = torch.eye(3) + uniform(count, 3, 3) * (TONE / 2)
    mean = seen.mean((2, 3), keepdim=True)
    mixing = mixing / mixing.sum(2, keepdim=True).clamp(min=0.3)
    seen = torch.einsum("nij,njhw->nihw", mixing, seen - mean) + mean
    for side, strength in ((3, 0.8), (6, 0.6), (12, 0.6)):
        noise = torch.randn(count, 1, side, side * width // height)
        light = F.interpolate(noise, (height, width), mode="bilinear", align_corners=False)
        seen = seen * (strength * TONE / 2 * light).exp()
    for image, average in zip(seen, seen.mean((2, 3), keepdim=True), strict=True):
        for _ in range(HOLES):
            high, wide = (int(float(torch.rand(())) * HOLE * side) for side in (height, width))
            top, left = (int(float(torch.rand(())) * (s - h)) for s, h in ((height, high), (width, wide)))
            image[:, top : top + high, left : left + wide] = average
    return seen


def uniform(*shape: int) -> Tensor:
    return 2 * torch.rand(*shape) - 1
