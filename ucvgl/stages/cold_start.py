"""First encoders without any label: intra-view contrast, then panoramas against their fakes (UCVGL section 3.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ucvgl.atomic import copy_whole
from ucvgl.distributed.machines import Crew
from ucvgl.networks.network_ahead import refuse_other_start
from ucvgl.networks.towers import TwoTowers, load_towers, save_towers
from ucvgl.programs.grounded import ground_towers
from ucvgl.run.before import labels_seen
from ucvgl.run.weights import weights_of
from ucvgl.settings.experiment import Experiment
from ucvgl.training.batches import Pairs
from ucvgl.training.epochs import epochs_of
from ucvgl.training.fit_towers import fit_towers
from ucvgl.training.pairs import fake_pairs, intra_view_pairs, known_pairs, repeated

MOST_COPIES = 8
"""Of a known pair in an epoch: a handful of pairs, seen again and again, would be learned by heart."""


def cold_start(
    folder: Path,
    *,
    projected: Path,
    translated: Path | None,
    experiment: Experiment,
    machines: Crew,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Write the encoders `model.pt` (and `trained.pt`, to go on from) into `folder`.

    Where panoramas join the rounds later (`curriculum.panoramas_after`), the encoder of tiles alone is trained here.
    With `supervision.start` they are those of another run.

    Args:
        translated: None: there are no fakes, and intra-view contrast is all.
        labels: known pairs, if any, which the second step is trained on as well.
    """
    settings, later = experiment.cold_start, translated is not None and experiment.curriculum.panoramas_later
    if experiment.supervision.start:
        return _taken(Path(experiment.supervision.start), folder, projected, experiment, machines)
    start = folder / "start"
    if not (start / "model.pt").exists():
        start.mkdir(exist_ok=True)
        towers = new_towers(experiment)
        towers.panorama_share = 0.0 if later else towers.panorama_share
        _publish(towers, start / "model.pt", projected, experiment, machines)
    intra = intra_view_pairs(projected, translated, experiment)
    if later:
        intra = [pairs for pairs in intra if pairs.views[0] == "reference"]
    # Trained on fakes alone, the tile encoder forgets how to compare a fake with a tile.
    kept = [pairs for pairs in intra if settings.intra_epochs and pairs.views[0] == "reference"]
    steps = [("intra", intra, intra_epochs(intra, experiment))]
    if translated is not None:
        cross = fake_pairs(projected, translated, experiment)
        told = [] if labels is None else [_often(known_pairs(labels, projected / "train", experiment), len(cross))]
        steps.append(("cross", [cross, *kept, *told], settings.cross_epochs))
    for number, (name, sources, epochs) in enumerate(steps):
        if not epochs:
            continue
        into = folder / name
        into.mkdir(exist_ok=True)
        if not (into / "model.pt").exists():
            machines.run(
                fit_towers,
                folder=into,
                start=start,
                sources=sources,
                name=f"cold_start_{name}",
                epochs=epochs,
                settings=experiment.upright,
                rows_at_once=experiment.resources.train_rows,
                seed=experiment.seed * 1000 + number,
            )
        start = into
    for name in ("model.pt", "trained.pt"):
        if (start / name).exists():
            copy_whole(start / name, folder / name)
    return {"from": start.name}


def intra_epochs(sources: Sequence[Pairs], experiment: Experiment) -> int:
    """Epochs of intra-view contrast: as many as are asked for, and more where these are few steps."""
    settings, batch = experiment.cold_start, experiment.contrast.batch
    many = epochs_of(sources, batch, epochs=settings.intra_epochs, steps=settings.intra_steps)
    return many if settings.intra_epochs else 0


def _often(known: Pairs, places: int) -> Pairs:
    return repeated(known, max(1, min(MOST_COPIES, round(places / len(known)))))


def _publish(towers: TwoTowers, path: Path, projected: Path, experiment: Experiment, machines: Crew) -> None:
    """Write encoders and, on request, how the structure of this run's ground joins what they say."""
    share = experiment.model.structure if experiment.query_by == "both" else 0.0
    if not share:
        save_towers(towers, path)
        return
    drawn, train = path.with_name("drawn.pt"), projected / "train"
    save_towers(towers, drawn)
    machines.run(
        ground_towers, drawn=drawn, into=path, share=share, bevs=train / "bev", tiles=train / "references"
    )
    drawn.unlink()


def _taken(
    start: Path, folder: Path, projected: Path, experiment: Experiment, machines: Crew
) -> dict[str, Any]:
    """Copy the encoders of a finished run, or of a folder with a `model.pt`; how many labels they saw, if known.

    Raises:
        ValueError: they are not built as the settings say.
    """
    model = weights_of(start, setting="supervision.start")
    theirs, ours = load_towers(model), new_towers(experiment)
    refuse_other_start(theirs, experiment)
    if (model.parent / "trained.pt").exists():
        copy_whole(model.parent / "trained.pt", folder / "trained.pt")
    theirs.settings, theirs.ground, theirs.panorama_share = ours.settings, None, ours.panorama_share
    _publish(theirs, folder / "model.pt", projected, experiment, machines)
    return {"from": str(start), "labels_seen": labels_seen(str(start))}


def new_towers(experiment: Experiment) -> TwoTowers:
    """Encoders that have learned nothing, drawn by the seed and sized for the data set's images."""
    torch.manual_seed(experiment.seed)
    dataset = experiment.dataset
    query_size = (dataset.panorama_height, dataset.panorama_width)
    return TwoTowers(
        replace(experiment.model, query=experiment.query_by),
        query_size,
        (dataset.tile_size, dataset.tile_size),
        temperature=experiment.contrast.temperature,
    )
