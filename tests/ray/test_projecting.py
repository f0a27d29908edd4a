from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pytest

from ucvgl.distributed.projecting import project_images
from ucvgl.images.decode import decode, resize
from ucvgl.images.image_store import ImageStore
from ucvgl.projection.birdseye import BirdsEye
from ucvgl.settings.experiment import Dataset, Experiment, Projection, Resources
from ucvgl.types import Catalog

EXPERIMENT = Experiment(
    dataset=Dataset(panorama_height=16, panorama_width=64, tile_size=16, max_bad_share=0.5),
    projection=Projection(fov_deg=160),
    resources=Resources(images_per_shard=4),
)


@pytest.fixture
def catalog(tmp_path):
    """10 panoramas of three sizes, two of them broken, and 9 tiles, whose first shard is all broken."""
    (tmp_path / "raw").mkdir()
    random = np.random.default_rng(0)

    def listing(prefix, sizes):
        uris = [str(tmp_path / "raw" / f"{prefix}{number}.jpg") for number in range(len(sizes))]
        for uri, size in zip(uris, sizes, strict=True):
            cv2.imwrite(uri, random.integers(0, 256, (*size, 3), np.uint8))
        return pa.table({"id": [f"id-{prefix}{number}" for number in range(len(sizes))], "uri": uris})

    queries = listing("q", [(32, 128), (48, 192), (32, 128), (64, 128), (32, 128)] * 2)
    references = listing("r", [(32, 32)] * 9)
    truncate(queries["uri"][1].as_py())
    write(queries["uri"][6].as_py(), b"")
    for number in range(4):
        write(references["uri"][number].as_py(), b"<html>not found</html>")
    return Catalog(queries, references)


def truncate(path):
    with open(path, "rb") as file:
        write_back = file.read()
    write(path, write_back[: len(write_back) // 2])


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


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


def test_too_many_bad_images_stop_the_job(cluster, catalog, tmp_path):
    strict = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, max_bad_share=0.3))
    with pytest.raises(
        ValueError, match=r"6 of 19 images cannot be used, more than dataset.max_bad_share 0.3"
    ):
        project_images({"train": catalog}, tmp_path / "out", experiment=strict)
    with pytest.raises(ValueError, match=r"r0.jpg: not an image|q1.jpg: cut off"):
        project_images({"train": catalog}, tmp_path / "out", experiment=strict)


@pytest.mark.parametrize("heading", ["known", "unknown"])
def test_panoramas_are_turned_as_far_as_their_rows_say(cluster, catalog, tmp_path, heading):
    """In one shard some headings are known and others are not."""
    looks = [90.0, None, None, 180.0, None, 0.0, None, None, 90.0, None]
    catalog = Catalog(catalog.queries.append_column("heading_deg", pa.array(looks)), catalog.references)
    experiment = replace(EXPERIMENT, contrast=replace(EXPERIMENT.contrast, heading=heading))
    project_images({"train": catalog}, tmp_path / "out", experiment=experiment)
    store = ImageStore(tmp_path / "out" / "train" / "queries")
    for row, uri, degrees in zip(range(10), catalog.queries["uri"].to_pylist(), looks, strict=True):
        if f"id-q{row}" not in store.ids.tolist():
            continue
        with open(uri, "rb") as file:
            whole = decode(file.read(), uri)
        turned = np.roll(whole, round((degrees or 0) / 360 * whole.shape[1]), axis=1) if heading == "known" else whole
        np.testing.assert_array_equal(store.read(store.rows_of([f"id-q{row}"]))[0], resize(turned, 16, 64))


def test_a_photo_of_which_nobody_knows_where_it_looked_costs_only_itself(cluster, catalog, tmp_path):
    looks = pa.array([90.0 if row % 2 == 0 else None for row in range(10)], pa.float64())
    photos = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, camera="photo", fov_deg=120.0, max_bad_share=1.0))
    catalog = Catalog(catalog.queries.append_column("heading_deg", looks), catalog.references)
    rejected = project_images({"train": catalog}, tmp_path / "out", experiment=photos).to_pylist()
    told = {bad["id"]: bad["reason"] for bad in rejected if bad["view"] == "queries"}
    assert told.keys() == {"id-q1", "id-q3", "id-q5", "id-q6", "id-q7", "id-q9"}
    assert all("nobody says where it looked" in told[f"id-q{row}"] for row in (3, 5, 7, 9))
    bevs = ImageStore(tmp_path / "out" / "train" / "bev").read(np.arange(4))
    assert bevs[:, 6:10, 12:].any((1, 2, 3)).all() and not bevs[:, :, :6].any(), "they looked east"
