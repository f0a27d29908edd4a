"""Images and runs in an S3 server: the real stages, read and resumed from there."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from one_job import Job, artefacts, log_of, log_path
from rendered_world import FLAGS, rendered_world

from benchmarks.ingest_images import broken_images, good_images
from benchmarks.object_store import ObjectStore
from tests.without_ray import Crew
from ucvgl.images.decode import decode, resize
from ucvgl.images.image_store import ImageStore
from ucvgl.images.storage import list_files, read
from ucvgl.settings.experiment import Dataset, Experiment, Resources
from ucvgl.stages.catalog import catalog, read_catalogs
from ucvgl.stages.project import project

EXPERIMENT = Experiment(
    dataset=Dataset(name="folder", panorama_height=16, panorama_width=64, tile_size=16, max_bad_share=0.5),
    resources=Resources(images_per_shard=8),
)


CREW = Crew(lambda **_: None)
"""Panoramas leave nobody anything to learn before they are projected."""


@pytest.fixture
def images(moto: ObjectStore, bucket: str) -> dict[str, bytes]:
    """Key -> content of a data set in the bucket: every form that is decoded, and all eight that are broken."""
    good, broken = [*good_images()[-5:], *good_images()[:20]], broken_images()
    found = {f"city/panorama/{k % 3}/{k}.jpg": content for k, content in enumerate([*good, *broken])}
    found |= {f"city/satellite/{k}.jpg": content for k, content in enumerate(good_images()[:9])}
    for key, content in found.items():
        moto.client().put_object(Bucket=bucket, Key=key, Body=content)
    return found


def test_images_in_a_bucket_are_listed_and_projected_and_the_broken_ones_told(cluster, bucket, images, tmp_path):
    experiment = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, root=f"s3://{bucket}/city"))
    listed, projected = tmp_path / "1_catalog", tmp_path / "2_project"
    listed.mkdir()
    projected.mkdir()
    assert catalog(listed, experiment=experiment)["train_queries"] == 33
    summary = project(projected, catalogs=listed, experiment=experiment, machines=CREW)

    uris = {row["id"]: row["uri"] for row in read_catalogs(listed)["train"].queries.to_pylist()}
    bad = {f"s3://{bucket}/{key}" for key, content in images.items() if content in broken_images()}
    assert summary["rejected"] == 2 * len(bad), "both splits have the same pool here"
    store = ImageStore(projected / "train" / "queries")
    assert sorted(store.ids) == sorted(key for key, uri in uris.items() if uri not in bad)
    for row, identity in enumerate(store.ids):
        uri = uris[str(identity)]
        content = images[uri.removeprefix(f"s3://{bucket}/")]
        enough = (16, max(64, 8 * 16))
        np.testing.assert_array_equal(store.read([row])[0], resize(decode(content, uri, enough=enough), 16, 64))


def test_images_that_vanish_after_the_listing_are_counted_and_stop_the_job(cluster, moto, bucket, images, tmp_path):
    experiment = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, root=f"s3://{bucket}/city"))
    listed, projected = tmp_path / "1_catalog", tmp_path / "2_project"
    listed.mkdir()
    projected.mkdir()
    catalog(listed, experiment=experiment)
    for key in images:
        moto.client().delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ValueError, match="more than dataset.max_bad_share .*Path does not exist"):
        project(projected, catalogs=listed, experiment=experiment, machines=CREW)


@pytest.fixture
def job(moto: ObjectStore, bucket: str, shared_folder: Path, tmp_path: Path) -> Iterator[Job]:
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        flags = (*FLAGS, "--translation.steps=10")
        yield Job(rendered_world(shared_folder, tmp_path / "images"), Path(ray), flags=flags)


@pytest.mark.slow
def test_a_run_in_a_bucket_goes_on_after_its_machine_was_lost(job: Job, bucket: str, tmp_path, monkeypatch):
    """Projection is done and copied; the machine is lost; another, with an empty folder, trains on, with a Ray."""
    uri, (one, two) = f"s3://{bucket}/runs/a", (tmp_path / "one", tmp_path / "two")
    made = {}
    for machine, last in ((one, "project"), (two, "translate")):
        machine.mkdir()
        monkeypatch.chdir(machine)
        run = machine / "runs" / bucket / "runs" / "a"
        log_path(run).parent.mkdir(parents=True)
        printed = replace(job, alone=machine == one).finish(run, f"--run={uri}", f"--stop-after={last}")
        made[machine] = artefacts(run)
        assert f"copied to {uri}" in printed[0], log_of(run)
        if machine == one:
            shutil.rmtree(one)
    assert [line for line in printed if "1_catalog" in line or "2_project" in line] == [
        "  1_catalog     reused",
        "  2_project     reused",
    ]
    stored = {name: hashlib.sha256(read(f"{uri}/{name}")).hexdigest() for name in made[one]}
    assert stored == made[one], "what the first machine made is in the bucket"
    assert {name: made[one].get(name, digest) for name, digest in made[two].items()} == made[two], "the second has some"
    assert "3_translate/to_tile.pt" in list_files(uri) and "2_project/DONE.json" in list_files(uri)
