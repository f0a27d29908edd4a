"""A run is begun in one folder and goes on from another: what was listed is found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Dataset, Experiment
from ucvgl.stages.catalog import as_listed, catalog, read_catalogs
from ucvgl.truth.door import read_truth


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
