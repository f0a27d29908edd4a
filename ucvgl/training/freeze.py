"""The program that fixes the frozen model of a run in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ucvgl.images.image_store import ImageStore
from ucvgl.networks.frozen import FROZEN, frozen_model, save_frozen
from ucvgl.networks.towers import View
from ucvgl.settings.experiment import Adaptation, Model
from ucvgl.training import workers
from ucvgl.training.loop import Log


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
    """Write `frozen.pt` to `folder`.

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
        save_frozen(frozen, folder / FROZEN)
    workers.barrier()
