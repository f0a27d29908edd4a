"""Copies of the published data sets are listed, projected and scored; Ray runs the same stages in test_end_to_end."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from without_ray import Crew, without_ray

from tests.images.published import CROP, TRAIN, rendered, shuffled
from tests.stages.published_runs import USES, check, make, scored_untrained, small
from ucvgl.images.image_store import ImageStore
from ucvgl.images.listing import opaque_id
from ucvgl.projection.birdseye import birds_eye
from ucvgl.stages.catalog import catalog
from ucvgl.stages.project import project

CREW = Crew(lambda **numbers: None)


@pytest.fixture(autouse=True)
def here(monkeypatch) -> None:
    without_ray(monkeypatch)


@pytest.mark.parametrize("name", USES)
def test_a_data_set_is_listed_projected_and_scored_by_its_protocol(tmp_path: Path, name: str) -> None:
    check(name, tmp_path, lambda experiment: CREW)


def test_the_birds_eye_view_of_a_strip_has_the_crop_of_its_preset_and_what_is_missing_is_kept_in_a_list(
    tmp_path: Path,
) -> None:
    experiment = small("cvusa", tmp_path / "data")
    number = f"{shuffled(1)[0] + 1:07d}"
    (tmp_path / f"data/bingmap/19/{number}.jpg").unlink()
    listed = make(catalog, tmp_path / "1_catalog", experiment=experiment)
    projected = make(project, tmp_path / "2_project", catalogs=listed, experiment=experiment, machines=CREW)
    missing = pq.read_table(listed / "missing.parquet").to_pylist()
    assert missing == [{"split": "train", "path": f"bingmap/19/{number}.jpg"}]
    assert len(ImageStore(projected / "train/references")) == TRAIN - 1
    bevs = ImageStore(projected / "train/bev")
    bev = bevs.read(bevs.rows_of([opaque_id(f"streetview/panos/{number}.jpg")]))[0]
    strip = rendered()[0].panorama[CROP]
    expected = birds_eye(experiment.projection, 32, *strip.shape[:2])(strip)
    assert (bev == 0).all(axis=2).sum() == (expected == 0).all(axis=2).sum() >= 4, "no blind spot under the camera"
    assert abs(bev.astype(int) - expected).mean() < 6  # JPEG


def test_without_labels_there_are_retrievals_but_no_recall(tmp_path: Path) -> None:
    experiment = small("vigor", tmp_path / "data")
    for path in (tmp_path / "data").glob("splits/*/*_test.txt"):
        path.unlink()
    listed = make(catalog, tmp_path / "1_catalog", experiment=experiment)
    projected = make(project, tmp_path / "2_project", catalogs=listed, experiment=experiment, machines=CREW)
    scored = scored_untrained(tmp_path, projected, experiment, CREW)
    assert json.loads((scored / "recall.json").read_text()) == {"recall": None, "raw_pixels": {}}
    assert pq.read_table(scored / "retrievals.parquet").num_rows == 12
