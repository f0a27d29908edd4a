"""Tiles to an index, in one process; on Ray it is made in tests/ray/test_indexing.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from without_ray import without_ray

from tests.index.areas import EXPERIMENT, make_run, pictures
from tests.index.made_index import made, make_home
from ucvgl.distributed.bulk import read_bad
from ucvgl.images.image_store import ImageStore
from ucvgl.index.localizer import load
from ucvgl.settings.dotted import save_settings, saved_settings


@pytest.fixture(autouse=True)
def here(monkeypatch):
    without_ray(monkeypatch)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("index"))


def test_what_was_broken_off_goes_on_but_not_with_other_tiles(home, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    where = home / "broken"
    with monkeypatch.context() as patch:
        patch.setattr("ucvgl.distributed.indexing.write_index", stop)
        with pytest.raises(KeyboardInterrupt):
            made(where, home / "run", home / "tiles")
    assert not (where / "manifest.json").exists()
    with pytest.raises(ValueError, match="is no index|neither a run"):
        load(where)
    parts = sorted((where / "parts").iterdir())
    before = [part.stat().st_mtime_ns for part in parts]
    assert len(parts) == 3
    pictures(home / "others", 3, (32, 32), seed=9)
    with pytest.raises(ValueError, match="was begun with other tiles; choose another folder with --out, or delete it"):
        made(where, home / "run", home / "others")
    parts[1].unlink()
    kept = [before[0], before[2]]
    seen = []

    def watched(some):
        seen.extend(Path(part).stat().st_mtime_ns for part in some)
        return read_bad(some)

    with monkeypatch.context() as patch:
        patch.setattr("ucvgl.distributed.indexing.read_bad", watched)
        made(where, home / "run", home / "tiles")
    assert [seen[0], seen[2]] == kept and seen[1] > max(before)
    assert load(where).index is not None


def test_an_index_is_not_made_among_the_files_of_somebody_else(home, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "notes.txt").write_text("precious")
    (tmp_path / "tiles.parquet").write_text("precious")
    with pytest.raises(ValueError, match=r"is not empty \(parts, tiles.parquet\), and nothing in it is overwritten"):
        made(tmp_path, home / "run", home / "tiles")
    assert (tmp_path / "parts" / "notes.txt").read_text() == (tmp_path / "tiles.parquet").read_text() == "precious"


def test_what_was_put_beside_the_parts_of_an_index_stays(home, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ucvgl.distributed.indexing.write_index", stop)
        made(tmp_path / "area", home / "run", home / "tiles")
    (tmp_path / "area" / "parts" / "notes.txt").write_text("precious")
    made(tmp_path / "area", home / "run", home / "tiles")
    assert [path.name for path in (tmp_path / "area" / "parts").iterdir()] == ["notes.txt"]


def test_too_many_bad_tiles_stop_it_and_few_are_left_out(home, tmp_path, monkeypatch):
    pictures(tmp_path / "tiles", 12, (32, 32), seed=1)
    (tmp_path / "tiles" / "000.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 12 tiles cannot be used, more than dataset.max_bad_share 0.01 allows"):
        made(tmp_path / "area", home / "run", tmp_path / "tiles")
    config = home / "run" / "config.yaml"
    before = saved_settings(config)
    save_settings(config, replace(before, dataset=replace(before.dataset, max_bad_share=0.1)))
    try:
        manifest, bad = made(tmp_path / "area", home / "run", tmp_path / "tiles")
    finally:
        save_settings(config, before)
    assert manifest.tiles == 11 and [uri for uri, _ in bad] == [str(tmp_path / "tiles" / "000.png")]
    assert EXPERIMENT.dataset.max_bad_share == 0.01


def test_tiles_of_the_runs_own_area_are_told_from_training_tiles(home, tmp_path):
    """Where the index holds the validation tiles themselves, these cannot be decoys."""
    store = ImageStore(home / "run" / "2_project" / "validation" / "references")
    (tmp_path / "own").mkdir()
    for row, image in enumerate(store.read(range(40))):
        cv2.imwrite(str(tmp_path / "own" / f"{row:03d}.png"), image[..., ::-1])
    manifest, _ = made(tmp_path / "area", home / "run", tmp_path / "own")
    assert manifest.calibration is not None
    own = manifest.calibration
    assert own.own_per_decoy == 1.0 and own.pool == 80


def test_without_held_out_queries_there_is_no_confidence_and_it_is_said(home, tmp_path):
    manifest, _ = made(tmp_path / "area", make_run(tmp_path / "run"), home / "tiles")
    assert manifest.calibration is None
    assert manifest.uncalibrated == "the run has no evaluated validation images that it was not trained on"
