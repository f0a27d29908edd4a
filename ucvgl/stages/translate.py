"""Fake tiles from bird's-eye views, by a CycleGAN that never saw a pair (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ucvgl.distributed.fakes import translate_images
from ucvgl.distributed.machines import Machines
from ucvgl.settings.experiment import Experiment
from ucvgl.training.fit_cyclegan import fit_cyclegan


def translate(folder: Path, *, projected: Path, experiment: Experiment, machines: Machines) -> dict[str, Any]:
    """Train the CycleGAN and render the store `fake`, a tile per training panorama, into `folder`.

    Without translation there is nothing to do: the bird's-eye views stand in (`ucvgl.training.pairs.fake_store`).

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        machines: who trains, embeds and matches.
    """
    if not experiment.translation.fake:
        return {"steps": 0}
    train = projected / "train"
    if not (folder / "to_tile.pt").exists():
        machines.trainer.run(
            fit_cyclegan,
            folder=folder,
            bevs=train / "bev",
            tiles=train / "references",
            settings=experiment.translation,
            seed=experiment.seed,
        )
    generator, resources = folder / "to_tile.pt", experiment.resources
    translate_images(train / "bev", folder / "fake", generator=generator, resources=resources)
    return {"steps": experiment.translation.steps}
