from ucvgl.config import Resources, Synthetic
from ucvgl.data.synthetic.dataset import catalog
from ucvgl.distributed.worlds import render_worlds


def test_worlds_are_rendered_side_by_side_and_never_twice(cluster, tmp_path):
    settings = Synthetic(
        train_places=3, validation_places=2, panorama_height=32, panorama_width=128, tile_size=32
    )
    render_worlds(settings, tmp_path, Resources())
    for split, places in (("train", 3), ("validation", 2)):
        found = catalog(tmp_path, split)
        assert (found.queries.num_rows, found.references.num_rows) == (places, places)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    render_worlds(settings, tmp_path, Resources())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == before
