from ucvgl.distributed.rendering import render_worlds
from ucvgl.images.corpora import read_catalog
from ucvgl.settings.experiment import Dataset, Drone, Resources, Synthetic
from ucvgl.world import drone_worlds
from ucvgl.world.panorama_worlds import catalog, home

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


def test_so_are_flights_over_them(cluster, tmp_path):
    drone = Drone(views=2, size=32, distractor_places=1)
    dataset = Dataset(name="synthetic_drone", root=str(tmp_path), synthetic=SETTINGS, drone=drone)
    render_worlds(dataset, Resources())
    assert len(list((drone_worlds.home(dataset) / "rendered").iterdir())) == 2
    found = read_catalog(dataset, "validation")
    assert (found.queries.num_rows, found.references.num_rows) == (4, 3)
