import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucvgl.images.listing import opaque_id
from ucvgl.index.tiles import list_tiles


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_every_image_below_a_folder_is_a_tile(tmp_path):
    root = make(tmp_path, "a.png", "east/b.jpg", "notes.txt", ".hidden/c.png")
    tiles = list_tiles(str(root))
    assert sorted(tiles["uri"].to_pylist()) == [f"{root}/a.png", f"{root}/east/b.jpg"]
    assert tiles["id"].to_pylist() == sorted([opaque_id("a.png"), opaque_id("east/b.jpg")])
    assert tiles.column_names == ["id", "uri"]


@pytest.mark.parametrize("below", ["", "satellite/"])
def test_coordinates_come_from_the_table_beside_them(tmp_path, below):
    root = make(tmp_path, f"{below}a.png", f"{below}b.png", *(["panorama/p.jpg"] if below else []))
    (root / "references.csv").write_text("file,lat,lon\nb.png,41.5,-2\n")
    tiles = {row["uri"]: (row["lat"], row["lon"]) for row in list_tiles(str(root)).to_pylist()}
    assert tiles == {f"{root}/{below}a.png": (None, None), f"{root}/{below}b.png": (41.5, -2.0)}


def test_a_parquet_list_is_taken_as_it_is_sorted_by_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {"id": ["b", "a"], "uri": ["s3://tiles/b.png", "here/a.png"], "lat": [1.0, None], "lon": [2.0, None]}
    pq.write_table(pa.table(columns | {"more": [1, 2]}), tmp_path / "tiles.parquet")
    tiles = list_tiles("tiles.parquet")
    assert tiles.column_names == ["id", "uri", "lat", "lon"]
    assert tiles["id"].to_pylist() == ["a", "b"]
    assert tiles["uri"].to_pylist() == [f"{tmp_path}/here/a.png", "s3://tiles/b.png"]


def test_a_list_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no")
    with pytest.raises(ValueError, match="a.parquet is no Parquet file that can be read"):
        list_tiles(str(tmp_path / "a.parquet"))
    nothing = pa.array([], pa.string())
    pq.write_table(pa.table({"id": nothing, "uri": nothing}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="b.parquet lists no tile"):
        list_tiles(str(tmp_path / "b.parquet"))
    pq.write_table(pa.table({"id": ["a"], "uri": ["s3://k:s3cr3t@b/x.png"]}), tmp_path / "c.parquet")
    with pytest.raises(ValueError, match=r"c.parquet: s3://\*\*\*@b/x.png: a URI with credentials"):
        list_tiles(str(tmp_path / "c.parquet"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="does not exist or is empty|among its 0 files"):
        list_tiles(str(tmp_path / "empty"))


def test_a_list_of_tiles_that_all_lie_at_one_place_is_refused(tmp_path):
    places = {"lat": [0.0, 0.0, None], "lon": [0.0, 0.0, None]}
    columns = {"id": ["a", "b", "c"], "uri": ["a.png", "b.png", "c.png"]} | places
    pq.write_table(pa.table(columns), tmp_path / "tiles.parquet")
    with pytest.raises(ValueError, match="tiles.parquet: all 2 tiles lie at lat 0, lon 0; give each its own place"):
        list_tiles(str(tmp_path / "tiles.parquet"))


def test_half_a_place_is_refused(tmp_path):
    columns = {"id": ["a", "b"], "uri": ["a.png", "b.png"], "lat": [1.0, 2.0], "lon": [3.0, None]}
    pq.write_table(pa.table(columns), tmp_path / "tiles.parquet")
    with pytest.raises(ValueError, match="tiles.parquet: 1 tiles have a lat or a lon alone; give both, or leave both"):
        list_tiles(str(tmp_path / "tiles.parquet"))
