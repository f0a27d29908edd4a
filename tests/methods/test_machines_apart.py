"""The whole method with a bucket as all that its machines share: every program runs on another one than the last."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.in_process import InProcess
from ucvgl.distributed import projecting
from ucvgl.distributed.parcels import packed, unpacked
from ucvgl.files import cached, room
from ucvgl.files.arrivals import ARRIVALS
from ucvgl.files.tree import Tree
from ucvgl.images.storage import list_files
from ucvgl.index.trained_run import TrainedRun
from ucvgl.methods import ucvgl
from ucvgl.pages import run_report
from ucvgl.run.mirror import Mirror
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import tiny

PLACES = 24

pytestmark = pytest.mark.slow


class Here:
    """Everything is done where the driver is, as on one machine."""

    def __call__(self, path: Path, work: Callable[[Any], Any], content: Any) -> Any:
        return work(content)


class Apart(Here):
    """Machines with a cache each, which do what they are sent by turns and have never seen the driver's folder."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.caches, self._set = [base / name for name in ("one", "two")], monkeypatch.setenv
        monkeypatch.setattr(cached, "is_of", lambda folder, owner: False)
        self._turns = itertools.cycle(self.caches)

    def __call__(self, path: Path, work: Callable[[Any], Any], content: Any) -> Any:
        with cached.handed_over(path, far=True):
            parcel = packed(content)
            self._set("UCVGL_CACHE", str(next(self._turns)))
            cached.resolved.cache_clear()
            return work(unpacked(parcel))


class Sending(InProcess):
    def __init__(self, where: Here, path: Path, resources: Any, log: Any) -> None:
        super().__init__(log)
        self._where, self._path = where, path

    def run(self, program: Callable[..., Any], *, progress: Any = None, **arguments: Any) -> Any:
        run = super().run
        return self._where(self._path, lambda given: run(program, progress=progress, **given), arguments)

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Everything once and small; every match is a label, as nothing is learned in a step or two."""
    random = np.random.default_rng(0)
    for view, size in (("panorama", (32, 128, 3)), ("satellite", (32, 32, 3))):
        (tmp_path / "city" / view).mkdir(parents=True)
        for place in range(PLACES):
            cv2.imwrite(str(tmp_path / "city" / view / f"{place}.png"), random.integers(0, 256, size, np.uint8))
    base = tiny()
    some = {"min_margin": -1.0, "final_margin": -1.0, "mutual": False, "labels": "margin"}
    return replace(
        base,
        dataset=replace(base.dataset, name="folder", root=str(tmp_path / "city")),
        translation=replace(base.translation, steps=2, batch=4, channels=4),
        model=replace(base.model, channels=8, safa_heads=1),
        contrast=replace(base.contrast, batch=8),
        cold_start=replace(base.cold_start, intra_epochs=1, cross_epochs=1),
        curriculum=replace(base.curriculum, rounds=2, epochs_per_round=1, verified=4, **some),
        evaluation=replace(base.evaluation, verified=4),
        resources=replace(base.resources, images_per_shard=8),
    )


def made(run: RunDir, experiment: Experiment, where: Here, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Digests of all that the stages list, by name."""

    def stream(missing: Callable[[], list], step: Any) -> Iterator[dict]:
        settings = {**step.settings, "folder": step.settings["folder"].content}
        for row in missing():
            yield where(run.path / "2_project", lambda given, row=row: projecting.Project(**given)(row), settings)

    monkeypatch.setattr(projecting, "stream_missing", stream)
    monkeypatch.setattr(projecting, "placed", lambda resources: type("Placed", (), {"image_cpus": 1}))
    monkeypatch.setattr(projecting, "several_machines", lambda: False)
    monkeypatch.setattr(ucvgl, "Machines", partial(Sending, where))
    monkeypatch.setattr(run_report, "SHEET", 2)
    with run:
        ucvgl.unsupervised(run, experiment)
    records = {done.parent.name: json.loads(done.read_text())["parts"] for done in run.path.glob("*/DONE.json")}
    return {f"{stage}/{name}": part["sha256"] for stage, parts in records.items() for name, part in parts.items()}


@pytest.mark.parametrize("fits", [True, False], ids=["images fit into the caches", "they do not"])
def test_machines_that_share_a_bucket_alone_make_the_files_of_one(experiment, bucket, tmp_path, monkeypatch, fits):
    monkeypatch.setattr(Tree, "fit", lambda *_: fits)
    if not fits:  # and queries are described by both views
        model, translation = replace(experiment.model, query="both"), replace(experiment.translation, fake=False)
        experiment = replace(experiment, model=model, translation=translation)
    room._known.clear()
    expected = made(RunDir(tmp_path / "plain", experiment), experiment, Here(), monkeypatch)
    stages = {"1_catalog", "2_project", "4_cold_start", "5_curriculum", "6_evaluate"}
    assert {name.split("/")[0] for name in expected} == stages | ({"3_translate"} if fits else set())
    assert ("5_curriculum/query.json" in expected) is not fits, "queries of panoramas alone are not weighed"
    assert not cached._trees, "a run in a plain folder has to do with the cache"
    uri, folder = f"s3://{bucket}/run", tmp_path / "driver"
    folder.mkdir()
    mirror, apart = Mirror(folder, uri, every_s=1e9), Apart(tmp_path, monkeypatch)
    mirror.fetch()
    with mirror:
        assert made(RunDir(folder, experiment), experiment, apart, monkeypatch) == expected
    assert not [*(folder / "2_project").rglob("*.arrow")], "the driver has fetched shards for the images of its page"
    there = list_files(uri)
    for cache in apart.caches:
        came = [json.loads(line) for line in (cache / bucket / "run" / ARRIVALS).read_text().splitlines()]
        images = [place for place, *_, fetched in came if fetched and place.endswith(".arrow")]
        assert images and len(images) == len(set(images)), "a machine has fetched images twice"
    assert not [place for place in there if place.startswith(".sums/")]
    cached._trees.clear()
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path / "elsewhere"))
    run, plain = TrainedRun(uri), TrainedRun(tmp_path / "plain")
    assert run.encoders().dimension == plain.encoders().dimension
    np.testing.assert_array_equal(run.training_tiles(5), plain.training_tiles(5))
    cached._trees.clear()
