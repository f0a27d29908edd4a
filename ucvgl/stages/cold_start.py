"""First encoders without any label: intra-view contrast, then panoramas against their fakes (UCVGL section 3.1.2)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from ucvgl.config import Experiment
from ucvgl.contrast.fit import fit_towers
from ucvgl.distributed.machines import Machines
from ucvgl.model.towers import TwoTowers, save_towers
from ucvgl.stages.pairs import fake_pairs, intra_view_pairs


def cold_start(
    folder: Path, *, projected: Path, translated: Path, experiment: Experiment, machines: Machines
) -> dict[str, Any]:
    """Write the encoders `model.pt` (and `trained.pt`, to go on from) into `folder`."""
    settings = experiment.cold_start
    start = folder / "start"
    if not (start / "model.pt").exists():
        start.mkdir(exist_ok=True)
        save_towers(new_towers(experiment), start / "model.pt")
    intra = intra_view_pairs(projected, translated, experiment)
    # Trained on fakes alone, the tile encoder forgets how to compare a fake with a tile.
    kept = [pairs for pairs in intra if settings.intra_epochs and pairs.views[0] == "reference"]
    steps = (
        ("intra", intra, settings.intra_epochs),
        ("cross", fake_pairs(projected, translated, experiment) + kept, settings.cross_epochs),
    )
    for number, (name, sources, epochs) in enumerate(steps):
        if not epochs:
            continue
        into = folder / name
        into.mkdir(exist_ok=True)
        if not (into / "model.pt").exists():
            machines.trainer.run(
                fit_towers,
                folder=into,
                start=start,
                sources=sources,
                name=f"cold_start_{name}",
                epochs=epochs,
                settings=experiment.contrast,
                rows_at_once=experiment.resources.train_rows,
                seed=experiment.seed * 1000 + number,
            )
        start = into
    for name in ("model.pt", "trained.pt"):
        if (start / name).exists():
            shutil.copyfile(start / name, folder / name)
    return {"from": start.name}


def new_towers(experiment: Experiment) -> TwoTowers:
    torch.manual_seed(experiment.seed)
    dataset = experiment.dataset
    query_size = (dataset.panorama_height, dataset.panorama_width)
    return TwoTowers(
        experiment.model,
        query_size,
        (dataset.tile_size, dataset.tile_size),
        temperature=experiment.contrast.temperature,
    )
