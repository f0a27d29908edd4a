"""A step of training on one resident batch: the bare loop that the real one is compared with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ucvgl.networks.mixed import mixed_precision
from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.experiment import Contrast, Model
from ucvgl.settings.presets import PRESETS
from ucvgl.training.augment import Draws
from ucvgl.training.fit_towers import augment, turned_together
from ucvgl.training.infonce import info_nce


@dataclass(frozen=True)
class Case:
    """A network, its images and its batch.

    Args:
        query: height and width of panoramas, pixels.
        reference: of tiles.
        rows: images that an encoder sees at a time, to be tried; 0: the whole batch.
    """

    backbone: str
    query: tuple[int, int]
    reference: tuple[int, int]
    batch: int
    rows: tuple[int, ...] = (0, 64, 32)

    def towers(self, device: torch.device) -> TwoTowers:
        """New ones, with random weights that are drawn on the device: that is many times faster there."""
        torch.manual_seed(0)
        with torch.device(device):
            return TwoTowers(Model(backbone=self.backbone), self.query, self.reference)


def of_preset(name: str) -> Case:
    """What a preset trains."""
    experiment = PRESETS[name]()
    images = experiment.dataset
    query, tile = (images.panorama_height, images.panorama_width), images.tile_size
    backbone = experiment.model.backbone.partition(".")[0]
    return Case(backbone, query, (tile, tile), experiment.contrast.batch)


BASE_384, SMALL_224, DEMO = of_preset("cvact"), of_preset("folder"), of_preset("synthetic")


def toy(case: Case) -> Case:
    """The same, small enough for a processor."""
    backbone = case.backbone if case.backbone == "strided" else "convnext_atto"
    return replace(case, backbone=backbone, query=(32, 64), reference=(32, 32), batch=8, rows=(0, 4))


class BareStep:
    """Callable: augment, describe, contrast, descend, average; nothing is read and nothing is logged.

    Args:
        rows_at_once: images that an encoder sees at a time; 0: the whole batch.
        fused: the optimiser's kernel does all weights in one go.
    """

    def __init__(self, case: Case, device: torch.device, rows_at_once: int, *, fused: bool = False) -> None:
        self.case, self.device, self.settings = case, device, Contrast(batch=case.batch, learning_rate=1e-4)
        self.towers = case.towers(device).to(memory_format=torch.channels_last)
        self.towers.rows_at_once = rows_at_once
        self.mean = copy.deepcopy(self.towers).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.towers.parameters(), 1e-4, weight_decay=0.01, fused=fused or None)
        random = np.random.default_rng(0)
        self.batch = [
            torch.from_numpy(random.integers(0, 256, (case.batch, *size, 3), dtype=np.uint8)).to(device)
            for size in (case.query, case.reference)
        ]

    def __call__(self) -> None:
        sides = self.augmented()
        with self.precision():
            first, second, scale = self.towers(*sides)
        loss = info_nce(first, second, scale, label_smoothing=0.1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimise()
        self.average_weights()

    def precision(self):
        """What the device computes with."""
        return mixed_precision(self.device)

    def augmented(self) -> list[Tensor]:
        """Both sides of the batch as the network sees them."""
        draws = Draws((0, 0), self.case.batch, slice(None), self.device)
        turned = turned_together(draws, self.settings)
        return [
            augment(images.permute(0, 3, 1, 2).float().div_(255), view, draws, *turned, self.settings)
            for images, view in zip(self.batch, ("query", "reference"), strict=True)
        ]

    def optimise(self) -> None:
        """Clip the gradients and take a step."""
        nn.utils.clip_grad_norm_(self.towers.parameters(), 10.0)
        self.optimizer.step()

    @torch.no_grad()
    def average_weights(self) -> None:
        """Move the running mean of the weights, one after the other."""
        for kept, new in zip(self.mean.parameters(), self.towers.parameters(), strict=True):
            kept.lerp_(new, 0.02)

    @torch.no_grad()
    def average_together(self) -> None:
        """The same in few kernels."""
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.towers.parameters()), 0.02)
