"""The start of a training, told how the structure of its ground joins the descriptors that are searched by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ucvgl.images.image_store import ImageStore
from ucvgl.networks.searched import Ground
from ucvgl.networks.towers import load_towers, save_towers
from ucvgl.poses.structure import SHRINKAGE, describe
from ucvgl.pseudo_labels.whitening import Whitening, whitening
from ucvgl.training import workers
from ucvgl.training.loop import Log

SAMPLE, AT_ONCE = 5000, 256
"""Images of a view from which its spread is told, and images in memory at a time."""


def ground_towers(
    drawn: Path, *, into: Path, bevs: Path, tiles: Path, share: float, device: torch.device, log: Log
) -> None:
    """Write the encoders in `drawn` into another file, with the whitening of both views' structure.

    Args:
        bevs: the store of bird's-eye views; `tiles` that of tiles.
        share: of the structure in the similarity.
    """
    if workers.rank():
        return
    towers = load_towers(drawn)
    towers.ground = Ground(share, bev=_spread(bevs), tile=_spread(tiles)).saved()
    save_towers(towers, into)


def _spread(folder: Path) -> Whitening:
    store = ImageStore(folder)
    rows = np.linspace(0, len(store) - 1, min(SAMPLE, len(store))).astype(int)
    parts = [describe(store.read(rows[start : start + AT_ONCE])) for start in range(0, len(rows), AT_ONCE)]
    return whitening(np.concatenate(parts), shrinkage=SHRINKAGE, gaps=True)
