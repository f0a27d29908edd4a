from dataclasses import replace

import numpy as np
import pytest

from tests.distributed.raw_images import EXPERIMENT, check_turned, raw_catalog
from ucvgl.distributed.projecting import project_images
from ucvgl.images.decode import decode, resize
from ucvgl.images.image_store import ImageStore
from ucvgl.projection.birdseye import BirdsEye


@pytest.fixture
def catalog(tmp_path):
    return raw_catalog(tmp_path / "raw")


def test_good_images_arrive_once_and_bad_ones_are_listed(cluster, catalog, tmp_path):
    rejected = project_images({"train": catalog}, tmp_path / "out", experiment=EXPERIMENT)

    broken = {"id-q1": "cut off", "id-q6": "empty file"} | {f"id-r{k}": "not an image" for k in range(4)}
    reasons = dict(zip(rejected["id"].to_pylist(), rejected["reason"].to_pylist(), strict=True))
    assert reasons.keys() == broken.keys()
    assert all(broken[key] in reasons[key] for key in broken)
    assert rejected["view"].to_pylist() == ["queries"] * 2 + ["references"] * 4

    expected = project_one_by_one(catalog, skip=set(broken))
    for view, images in expected.items():
        store = ImageStore(tmp_path / "out" / "train" / view)
        assert store.ids.tolist() == list(images), view
        np.testing.assert_array_equal(store.read(range(len(store))), np.stack(list(images.values())), view)


def project_one_by_one(catalog, skip):
    """What the job should write, in one process: view -> id -> image."""
    expected = {"queries": {}, "bev": {}, "references": {}}
    for view, table in (("queries", catalog.queries), ("references", catalog.references)):
        for row in table.to_pylist():
            if row["id"] in skip:
                continue
            with open(row["uri"], "rb") as file:
                image = decode(file.read(), row["uri"])
            if view == "queries":
                expected["bev"][row["id"]] = BirdsEye(16, *image.shape[:2], fov_deg=160)(image)
            expected[view][row["id"]] = resize(image, 16, 64 if view == "queries" else 16)
    return expected


def test_a_second_attempt_does_only_what_is_missing(cluster, catalog, tmp_path):
    folder = tmp_path / "out"
    first = project_images({"train": catalog}, folder, experiment=EXPERIMENT)
    shards = sorted(folder.rglob("part-*.arrow"))
    assert len(shards) == 3 + 3 + 3
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in shards}
    lost = folder / "train" / "queries" / "part-00001.arrow"
    lost.unlink()

    # Another shard size may not lead the second attempt astray.
    other = replace(EXPERIMENT, resources=replace(EXPERIMENT.resources, images_per_shard=7))
    second = project_images({"train": catalog}, folder, experiment=other)

    assert second.equals(first)
    assert sorted(folder.rglob("part-*.arrow")) == shards
    again = {path for path in shards if path.stat().st_mtime_ns != before[path][1]}
    assert again == {lost, folder / "train" / "bev" / "part-00001.arrow"}
    assert all(path.read_bytes() == before[path][0] for path in shards)


def test_panoramas_are_turned_as_far_as_their_rows_say(cluster, catalog, tmp_path):
    check_turned(catalog, tmp_path / "out", heading="known")
