"""Fake tiles from bird's-eye views, by a CycleGAN that never saw a pair (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ucvgl.config import Experiment
from ucvgl.distributed.machines import Machines
from ucvgl.distributed.translate import translate_images
from ucvgl.gan.fit import fit_cyclegan


def translate(folder: Path, *, projected: Path, experiment: Experiment, machines: Machines) -> dict[str, Any]:
    """Train the CycleGAN and render the store `fake` (a tile per training panorama) and, for reverse pairs,
    `reverse` (a bird's-eye view per training tile) into `folder`.
    """
    train = projected / "train"
    if not (folder / "to_bev.pt").exists():
        machines.trainer.run(
            fit_cyclegan,
            folder=folder,
            bevs=train / "bev",
            tiles=train / "references",
            settings=experiment.translation,
            seed=experiment.seed,
        )
    resources = experiment.resources
    translate_images(train / "bev", folder / "fake", generator=folder / "to_tile.pt", resources=resources)
    translate_images(train / "references", folder / "reverse", generator=folder / "to_bev.pt", resources=resources)
    return {"steps": experiment.translation.steps}
