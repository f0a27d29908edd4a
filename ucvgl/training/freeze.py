"""The program that fixes the frozen model of a run in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ucvgl.images.image_store import ImageStore
from ucvgl.networks.frozen import FROZEN, Frozen, frozen_model, save_frozen
from ucvgl.networks.pooling import fit_centres
from ucvgl.networks.towers import View
from ucvgl.settings.experiment import Adaptation, Model
from ucvgl.training import workers
from ucvgl.training.loop import Log

VLAD_IMAGES = 256
"""Of each view, whose patches the centres are fitted to."""


def freeze(
    folder: Path,
    adaptation: Adaptation,
    model: Model,
    stores: Sequence[tuple[Path, View]],
    *,
    seed: int,
    device: torch.device,
    log: Log,
) -> None:
    """Write `frozen.pt` to `folder`; for `vlad` with centres fitted to images of both views.

    Args:
        stores: training images of both views, and the encoder that sees each.

    Raises:
        ValueError: the images are not of the size that the encoders of a run were made for.
    """
    frozen = frozen_model(adaptation, model)
    for store, view in stores:
        wanted, given = frozen.size(view), ImageStore(store).shape[:2]
        if wanted and wanted != given:
            raise ValueError(
                f"adaptation.source: its encoder sees images of {wanted[0]}x{wanted[1]} pixels, but those of "
                f"{store.name} have {given[0]}x{given[1]}; set dataset.tile_size (and for towers two dataset."
                "panorama_height and panorama_width) to what the run had"
            )
    if workers.rank() == 0:
        if adaptation.pooling == "vlad":
            patches = np.concatenate([_patches(frozen.to(device), *some, seed=seed) for some in stores])
            centres = torch.from_numpy(fit_centres(patches, count=adaptation.vlad_centres, seed=seed))
            frozen = frozen_model(adaptation, model, centres)
        save_frozen(frozen.cpu(), folder / FROZEN)
    workers.barrier()


@torch.inference_mode()
def _patches(frozen: Frozen, store: Path, view: View, *, seed: int) -> np.ndarray:
    """Patch descriptors of some images, [n c]."""
    images, describer = ImageStore(store), frozen.encoder(view).eval()
    rows = np.random.default_rng(seed).permutation(len(images))[:VLAD_IMAGES]
    device = next(describer.parameters()).device
    found = []
    for some in np.array_split(rows, -(-len(rows) // 32)):
        seen = torch.from_numpy(images.read(some)).to(device).permute(0, 3, 1, 2).float() / 255
        found.append(describer.network(seen).patches.flatten(0, 1).float().cpu().numpy())
    return np.concatenate(found)
