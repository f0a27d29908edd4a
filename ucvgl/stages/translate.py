"""Fake tiles from bird's-eye views, by a CycleGAN that never saw a pair (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ucvgl.distributed.machines import Crew
from ucvgl.settings.experiment import Experiment
from ucvgl.training.fit_cyclegan import fit_cyclegan


def translate(folder: Path, *, projected: Path, experiment: Experiment, machines: Crew) -> dict[str, Any]:
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
        machines.run(
            fit_cyclegan,
            folder=folder,
            bevs=train / "bev",
            tiles=train / "references",
            settings=experiment.translation,
            seed=experiment.seed,
        )
    machines.translate(train / "bev", folder / "fake", generator=folder / "to_tile.pt")
    return {"steps": experiment.translation.steps}
