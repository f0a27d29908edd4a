"""A job that is told labels, on Ray; all that these jobs leave behind is in tests/methods/test_labelled.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendered_world import PLACES, rendered_world

import ucvgl.stages.supervised
from ucvgl.methods.labelled import supervised
from ucvgl.run.run_dir import RunDir
from ucvgl.settings import presets
from ucvgl.settings.experiment import ColdStart, Curriculum, Supervision


def test_workers_begin_with_the_nearest_places_and_go_on_with_the_most_similar(
    cluster, shared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ucvgl.stages.supervised, "HARD_NEGATIVES", 8)
    base = presets.supervised(presets.tiny())
    world = replace(base.dataset.synthetic, train_places=PLACES)
    images = rendered_world(shared_folder, tmp_path / "images")
    experiment = replace(
        base,
        dataset=replace(base.dataset, root=str(images), synthetic=world),
        cold_start=ColdStart(intra_epochs=1, intra_steps=0, cross_epochs=1),
        model=replace(base.model, shared=True, aggregation="mean"),
        curriculum=Curriculum(rounds=2, epochs_per_round=1, scan_turns=1),
        supervision=Supervision(label_fraction=1.0),
        resources=replace(base.resources, workers=1, worker_cpus=1, images_per_shard=32),
    )
    with RunDir(tmp_path / "run", experiment) as run:
        said = supervised(run, experiment)
    assert f"labels: {PLACES} of {PLACES} training queries came with their true tile (100 %)" in said
    first, second = (np.load(run.path / "5_supervised" / f"round_{n:02d}" / "neighbours.npy") for n in range(2))
    assert first.shape == second.shape == (PLACES, 8) and not np.array_equal(first, second)
