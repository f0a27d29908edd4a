"""A run is begun in one folder and goes on from another: what was listed is found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ucvgl.distributed import rendering
from ucvgl.images.storage import read
from ucvgl.run.mirror import Mirror
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Dataset, Experiment, Synthetic
from ucvgl.stages import catalog as stage
from ucvgl.stages.catalog import as_listed, catalog, read_catalogs
from ucvgl.truth.door import read_truth
from ucvgl.world import panorama_worlds


def test_a_relative_root_means_the_folder_in_which_the_run_was_begun(tmp_path, monkeypatch):
    for name in ("city/panorama/a.jpg", "city/satellite/b.jpg"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).touch()
    (tmp_path / "here" / "city" / "truth.csv").write_text("query,reference\na.jpg,b.jpg\n")
    (tmp_path / "there").mkdir()
    experiment = replace(Experiment(), dataset=Dataset(name="folder", root="city"))
    monkeypatch.chdir(tmp_path / "here")
    with RunDir(tmp_path / "run", experiment) as run:
        made = run.make("1_catalog", lambda folder: catalog(folder, experiment=experiment), settings={})
    monkeypatch.chdir(tmp_path / "there")
    (uri,) = read_catalogs(made)["validation"].references["uri"].to_pylist()
    assert Path(uri) == tmp_path / "here" / "city" / "satellite" / "b.jpg"
    truth = read_truth(as_listed(made, experiment.dataset), "validation")
    assert truth is not None and len(truth.positives) == 1


def test_what_was_never_listed_is_where_the_settings_say(tmp_path):
    dataset = Dataset(name="folder", root="city")
    assert as_listed(tmp_path, dataset) == dataset


@pytest.mark.parametrize("several", [True, False], ids=["several machines", "one machine"])
def test_worlds_lie_beside_a_run_of_which_machines_share_the_bucket_alone(bucket, tmp_path, monkeypatch, several):
    small = Synthetic(train_places=3, validation_places=2, panorama_height=32, panorama_width=128, tile_size=32)
    dataset, uri = Dataset(root=str(tmp_path / "data"), synthetic=small), f"s3://{bucket}/runs/mine"
    experiment = replace(Experiment(), dataset=dataset)

    def render(dataset, resources):
        for world in panorama_worlds.plan(dataset.synthetic):
            rendering.render(dataset, world, panorama_worlds.WHOLE)

    monkeypatch.setattr(rendering, "several_machines", lambda: several)
    monkeypatch.setattr(stage, "render_worlds", render)
    for name in ("one", "two"):  # which goes on
        (tmp_path / name).mkdir()
        mirror = Mirror(tmp_path / name, uri, every_s=1e9)
        mirror.fetch()
        with mirror, RunDir(tmp_path / name, experiment) as run:
            made = run.make("1_catalog", lambda folder: catalog(folder, experiment=experiment), settings={})
        root = f"{uri}/.worlds" if several else dataset.root
        images = [one for found in read_catalogs(made).values() for one in found.queries["uri"].to_pylist()]
        assert len(images) == 5 and all(one.startswith(f"{root}/synthetic-") and read(one) for one in images)
        truth = read_truth(as_listed(made, dataset), "train")
        assert truth is not None and len(truth.positives) == 3
        assert not [*(tmp_path / name).rglob("*.jpg")]
    assert (tmp_path / "data").exists() is not several
