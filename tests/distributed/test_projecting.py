"""What projection makes of images, in one process; on Ray it is in tests/ray/test_projecting.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from without_ray import without_ray

from tests.distributed.raw_images import EXPERIMENT, check_turned, raw_catalog
from ucvgl.distributed.projecting import project_images
from ucvgl.images.image_store import ImageStore
from ucvgl.images.same_files import content_of
from ucvgl.types import Catalog


@pytest.fixture(autouse=True)
def here(monkeypatch):
    without_ray(monkeypatch)


@pytest.fixture
def catalog(tmp_path):
    return raw_catalog(tmp_path / "raw")


def test_too_many_bad_images_stop_the_job(catalog, tmp_path):
    strict = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, max_bad_share=0.3))
    with pytest.raises(
        ValueError, match=r"6 of 19 images cannot be used, more than dataset.max_bad_share 0.3"
    ):
        project_images({"train": catalog}, tmp_path / "out", experiment=strict)
    with pytest.raises(ValueError, match=r"r0.jpg: not an image|q1.jpg: cut off"):
        project_images({"train": catalog}, tmp_path / "out", experiment=strict)


def test_a_view_of_which_no_image_can_be_used_stops_the_job_however_few_they_are(catalog, tmp_path):
    """As the tiles of buildings beside fifty times as many pictures; repaired, they are read again on request."""
    tiles = catalog.references.slice(5, 2)
    contents = [Path(uri).read_bytes() for uri in tiles["uri"].to_pylist()]
    for uri in tiles["uri"].to_pylist():
        Path(uri).write_bytes(b"no image")
    few = {"train": Catalog(catalog.queries, tiles)}
    said = r"none of the 2 references of train can be used \(.*\); repair them and add --redo project"
    with pytest.raises(ValueError, match=said):
        project_images(few, tmp_path / "out", experiment=EXPERIMENT)
    for uri, content in zip(tiles["uri"].to_pylist(), contents, strict=True):
        Path(uri).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        project_images(few, tmp_path / "out", experiment=EXPERIMENT)
    project_images(few, tmp_path / "anew", experiment=EXPERIMENT)


def test_what_is_left_out_is_said(catalog, tmp_path, caplog):
    generous = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, max_bad_share=0.5))
    project_images({"train": catalog}, tmp_path / "out", experiment=generous)
    assert "6 of 19 images cannot be used and are left out (" in caplog.text and "not an image" in caplog.text


def test_the_digest_of_every_file_is_kept_so_that_copies_are_known(catalog, tmp_path):
    project_images({"train": catalog}, tmp_path / "out", experiment=EXPERIMENT)
    for view, table in (("queries", catalog.queries), ("references", catalog.references)):
        store = ImageStore(tmp_path / "out" / "train" / view)
        files = dict(zip(table["id"].to_pylist(), table["uri"].to_pylist(), strict=True))
        expected = [int(content_of(Path(files[identity]).read_bytes()), 16) for identity in store.ids.tolist()]
        assert store.contents.tolist() == expected and len(set(expected)) == len(expected)


def test_panoramas_of_unknown_heading_are_not_turned(catalog, tmp_path):
    check_turned(catalog, tmp_path / "out", heading="unknown")


def test_a_photo_of_which_nobody_knows_where_it_looked_costs_only_itself(catalog, tmp_path):
    looks = pa.array([90.0 if row % 2 == 0 else None for row in range(10)], pa.float64())
    photos = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, camera="photo", fov_deg=120.0, max_bad_share=1.0))
    catalog = Catalog(catalog.queries.append_column("heading_deg", looks), catalog.references)
    rejected = project_images({"train": catalog}, tmp_path / "out", experiment=photos).to_pylist()
    told = {bad["id"]: bad["reason"] for bad in rejected if bad["view"] == "queries"}
    assert told.keys() == {"id-q1", "id-q3", "id-q5", "id-q6", "id-q7", "id-q9"}
    assert all("nobody says where it looked" in told[f"id-q{row}"] for row in (3, 5, 7, 9))
    bevs = ImageStore(tmp_path / "out" / "train" / "bev").read(np.arange(4))
    assert bevs[:, 6:10, 12:].any((1, 2, 3)).all() and not bevs[:, :, :6].any(), "they looked east"
