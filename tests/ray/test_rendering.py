from pathlib import Path

from ucvgl.distributed import rendering
from ucvgl.distributed.rendering import render_worlds
from ucvgl.images.corpora import read_catalog
from ucvgl.images.storage import list_files, read, write
from ucvgl.settings.experiment import Dataset, Drone, Resources, Synthetic
from ucvgl.truth.door import read_truth
from ucvgl.world import drone_worlds
from ucvgl.world.panorama_worlds import catalog, home, home_uri

SETTINGS = Synthetic(train_places=3, validation_places=2, panorama_height=32, panorama_width=128, tile_size=32)


def test_worlds_are_rendered_side_by_side_and_never_twice(cluster, tmp_path):
    dataset = Dataset(root=str(tmp_path), synthetic=SETTINGS)
    render_worlds(dataset, Resources())
    for split, places in (("train", 3), ("validation", 2)):
        found = catalog(home(dataset), split)
        assert (found.queries.num_rows, found.references.num_rows) == (places, places)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    render_worlds(dataset, Resources())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == before


def test_few_worlds_are_rendered_in_parts_that_make_the_same_files(cluster, tmp_path, monkeypatch):
    whole, parts = (Dataset(root=str(tmp_path / name), synthetic=SETTINGS) for name in ("whole", "parts"))
    render_worlds(whole, Resources())
    monkeypatch.setattr(rendering, "PLACES_OF_A_TASK", 1)
    render_worlds(parts, Resources())
    files = {path.relative_to(whole.root): path.read_bytes() for path in Path(whole.root).rglob("*.*")}
    assert {path.relative_to(parts.root): path.read_bytes() for path in Path(parts.root).rglob("*.*")} == files


def test_so_are_flights_over_them(cluster, tmp_path):
    drone = Drone(views=2, distractor_places=1)
    dataset = Dataset(name="synthetic_drone", root=str(tmp_path), synthetic=SETTINGS, drone=drone)
    render_worlds(dataset, Resources())
    assert len(list((drone_worlds.home(dataset) / "rendered").iterdir())) == 2
    found = read_catalog(dataset, "validation")
    assert (found.queries.num_rows, found.references.num_rows) == (4, 3)


def test_a_bucket_gets_what_a_folder_gets_and_nothing_twice(cluster, bucket, tmp_path, monkeypatch):
    near, far = (Dataset(root=root, synthetic=SETTINGS) for root in (str(tmp_path), f"s3://{bucket}/worlds"))
    render_worlds(near, Resources())
    monkeypatch.setattr(rendering, "PLACES_OF_A_TASK", 1)
    render_worlds(far, Resources())
    here = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert {name: read(f"s3://{bucket}/worlds/{name}") for name in list_files(far.root)} == here
    for split in ("train", "validation"):
        one, other = (catalog(home_uri(dataset), split) for dataset in (near, far))
        assert one.references.drop_columns("uri") == other.references.drop_columns("uri")
        uris = [pile["uri"].to_pylist() for pile in (one.queries, other.queries)]
        assert [uri.replace(near.root, far.root) for uri in uris[0]] == uris[1]
        assert read_truth(near, split) == read_truth(far, split) is not None
    write(uris[1][0], b"mine")
    render_worlds(far, Resources())
    assert read(uris[1][0]) == b"mine"


def test_so_with_flights(cluster, bucket):
    drone = Drone(views=2, distractor_places=1)
    dataset = Dataset(name="synthetic_drone", root=f"s3://{bucket}/worlds", synthetic=SETTINGS, drone=drone)
    render_worlds(dataset, Resources())
    found = read_catalog(dataset, "validation")
    assert (found.queries.num_rows, found.references.num_rows) == (4, 3)
    truth = read_truth(dataset, "validation")
    assert truth is not None and len(truth.positives) == 4
