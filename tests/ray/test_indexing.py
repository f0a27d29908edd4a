"""Tiles to an index and photos to Parquet, on Ray; what needs none is in tests/index/test_indexing.py."""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.object_store import SECRET
from tests.index.areas import PLACING, QUERY, change_manifest
from tests.index.made_index import RESOURCES, made, make_home
from ucvgl import cli
from ucvgl.distributed.bulk import localize_listed, read_bad
from ucvgl.images.storage import list_files, read
from ucvgl.index.answers import ROWS, rows
from ucvgl.index.ground import shown_by
from ucvgl.index.localizer import load
from ucvgl.projection.preprocessing import whole_image


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("index"))


def test_an_index_answers_as_the_encoders_alone_would(cluster, home):
    manifest, bad = made(home / "area", home / "run", home / "tiles")
    assert (manifest.tiles, manifest.kind, bad) == (40, "flat", [])
    assert manifest.calibration is not None and manifest.calibration.queries == 60
    assert manifest.calibration.pool == 40 + 40  # the index is another area: its own tiles are the decoys
    assert manifest.presence is not None and (manifest.presence.queries, manifest.presence.pool) == (60, 80)
    assert sorted(path.name for path in (home / "area").iterdir()) == [
        "grounds.parquet", "manifest.json", "model.pt", "tiles.parquet", "vectors.faiss",
    ]  # fmt: skip
    localizer = load(home / "area")
    assert localizer.index is not None
    uris = localizer.index.tiles["uri"].to_pylist()
    np.testing.assert_allclose(localizer.index.vectors(), localizer.embed_references(uris), atol=1e-2)
    assert np.isfinite(localizer.index.places).all(axis=1).sum() == 1

    assert manifest.placing is None and "no evaluated validation images" in manifest.unplaced
    change_manifest(home / "area", placing=PLACING, verified=6)  # as if it had learned it

    localizer = load(home / "area")
    photos = sorted(map(str, (home / "photos").glob("*.png")))
    (home / "photos" / "bad.jpg").write_bytes(b"no image")
    listed = pa.table({"id": [*photos, "bad"], "uri": [*photos, str(home / "photos" / "bad.jpg")]})
    where = str(home / "answers")
    how = {"how": whole_image(QUERY), "ground": shown_by("query", manifest.projection)}
    parts = localize_listed(listed, where, index=str(home / "area"), k=3, resources=RESOURCES, **how)
    found = pq.read_table(parts[0]).to_pylist() + pq.read_table(parts[1]).to_pylist()
    expected = rows(localizer.localize(photos, k=3))
    assert [(row["query"], row["rank"]) for row in found] == [(row["query"], row["rank"]) for row in expected]
    np.testing.assert_allclose(
        [row["similarity"] for row in found], [row["similarity"] for row in expected], atol=2e-2
    )
    assert {row["camera_unit"] for row in found} == {"m"} and {row["camera_lat"] for row in found} == {None}
    np.testing.assert_allclose(
        [row["camera_east"] for row in found], [row["camera_east"] for row in expected], atol=1e-3
    )
    assert [uri for uri, _ in read_bad(parts, ROWS)] == [str(home / "photos" / "bad.jpg")]

    with pytest.raises(ValueError, match="is an index already; choose another folder with --out, or delete it"):
        made(home / "area", home / "run", home / "tiles")


def test_an_index_lives_in_a_bucket_from_the_first_tile_to_the_last_answer(
    cluster, home, moto, bucket, monkeypatch, capsys
):
    """Tiles, index, photos and answers in an S3 server, by the commands as they are typed."""
    monkeypatch.setattr("ucvgl.distributed.cluster.connect", lambda resources: None)  # this process is connected
    root = f"s3://{bucket}"
    for name in ("tiles", "photos"):
        for path in (home / name).iterdir():
            moto.client().upload_file(str(path), bucket, f"{name}/{path.name}")
    made = ["index", str(home / "run"), f"{root}/tiles", "--out", f"{root}/area/", "--images-per-shard", "16"]
    assert cli.main(made) == 0
    assert "40 tiles, flat" in capsys.readouterr().out
    files = ["grounds.parquet", "manifest.json", "model.pt", "tiles.parquet", "vectors.faiss"]
    assert sorted(list_files(f"{root}/area")) == files, "a part was left, or a file is missing"
    assert SECRET.encode() not in b"".join(read(f"{root}/area/{name}") for name in files)
    assert cli.main(made) == 2 and "is an index already" in capsys.readouterr().err

    photo, asked = f"{root}/photos/003.png", ["--index", f"{root}/area"]
    assert cli.main(["localize", photo, *asked, "--format", "jsonl", "--k", "3"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    (expected,) = load(f"{root}/area").localize(home / "photos" / "003.png", k=3)
    assert [tile["uri"] for tile in answer["tiles"]] == [tile.uri for tile in expected.candidates]
    assert answer["tiles"][0]["uri"].startswith(f"{root}/tiles/") and 0 <= answer["confidence"] <= 1
    cli.main(["localize", f"{root}/photos", *asked, "--k", "1"])
    assert len(capsys.readouterr().out.splitlines()) == 2 * 20

    bulk = ["localize", photo, f"{root}/photos", *asked, "--k", "1", "--parquet", f"{root}/answers"]
    cli.main(bulk)
    assert "21 photos answered" in capsys.readouterr().out
    rows_found = pq.read_table(BytesIO(read(f"{root}/answers/part-00000.parquet"))).to_pylist()
    assert rows_found[0]["query"] == photo and rows_found[0]["uri"] == answer["tiles"][0]["uri"]
    cli.main(bulk)
    assert "21 photos answered" in capsys.readouterr().out  # the same: the answers are there
    others = [["localize", photo, *bulk[3:]], [*bulk, "--k", "2"]]
    for command, what in zip(others, ("photos", "k"), strict=True):
        assert cli.main(command) == 2, "answers for something else are taken for these"
        assert f"was begun with other {what}; choose another folder with --parquet" in capsys.readouterr().err
    assert cli.main(["localize", f"{root}/absent", *asked]) == 2
    assert "holds no image" in capsys.readouterr().err
