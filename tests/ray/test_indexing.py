"""Tiles to an index and photos to Parquet, on Ray."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.object_store import SECRET
from tests.index.areas import EXPERIMENT, PLACING, QUERY, change_manifest, make_run, pictures
from ucvgl import cli
from ucvgl.distributed.bulk import localize_listed, read_bad
from ucvgl.distributed.indexing import index
from ucvgl.images.storage import list_files, read
from ucvgl.index.answers import ROWS, rows
from ucvgl.index.ground import shown_by
from ucvgl.index.localizer import load
from ucvgl.index.tiles import list_tiles
from ucvgl.index.trained_run import TrainedRun
from ucvgl.projection.preprocessing import whole_image
from ucvgl.settings.dotted import save_settings, saved_settings
from ucvgl.settings.experiment import Resources

RESOURCES = Resources(workers=1, images_per_shard=16)


def made(where, run, tiles, **options):
    return index(str(where), list_tiles(str(tiles)), run=TrainedRun(run), resources=RESOURCES, **options)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    make_run(folder / "run", queries=60, tiles=40)
    pictures(folder / "tiles", 40, (32, 32), seed=1)
    (folder / "tiles" / "references.csv").write_text("file,lat,lon\n000.png,41.5,-2\n")
    pictures(folder / "photos", 20, (32, 128), seed=2)
    return folder


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


def test_what_was_broken_off_goes_on_but_not_with_other_tiles(cluster, home, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    where = home / "broken"
    with monkeypatch.context() as patch:
        patch.setattr("ucvgl.distributed.indexing.write_index", stop)
        with pytest.raises(KeyboardInterrupt):
            made(where, home / "run", home / "tiles")
    assert not (where / "manifest.json").exists()
    with pytest.raises(ValueError, match="is no index|neither a run"):
        load(where)
    parts = sorted((where / "parts").iterdir())
    before = [part.stat().st_mtime_ns for part in parts]
    assert len(parts) == 3
    pictures(home / "others", 3, (32, 32), seed=9)
    with pytest.raises(ValueError, match="was begun with other tiles; choose another folder with --out, or delete it"):
        made(where, home / "run", home / "others")
    parts[1].unlink()
    kept = [before[0], before[2]]
    seen = []

    def watched(some):
        seen.extend(Path(part).stat().st_mtime_ns for part in some)
        return read_bad(some)

    with monkeypatch.context() as patch:
        patch.setattr("ucvgl.distributed.indexing.read_bad", watched)
        made(where, home / "run", home / "tiles")
    assert [seen[0], seen[2]] == kept and seen[1] > max(before)
    assert load(where).index is not None


def test_an_index_is_not_made_among_the_files_of_somebody_else(cluster, home, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "notes.txt").write_text("precious")
    (tmp_path / "tiles.parquet").write_text("precious")
    with pytest.raises(ValueError, match=r"is not empty \(parts, tiles.parquet\), and nothing in it is overwritten"):
        made(tmp_path, home / "run", home / "tiles")
    assert (tmp_path / "parts" / "notes.txt").read_text() == (tmp_path / "tiles.parquet").read_text() == "precious"


def test_what_was_put_beside_the_parts_of_an_index_stays(cluster, home, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ucvgl.distributed.indexing.write_index", stop)
        made(tmp_path / "area", home / "run", home / "tiles")
    (tmp_path / "area" / "parts" / "notes.txt").write_text("precious")
    made(tmp_path / "area", home / "run", home / "tiles")
    assert [path.name for path in (tmp_path / "area" / "parts").iterdir()] == ["notes.txt"]


def test_too_many_bad_tiles_stop_it_and_few_are_left_out(cluster, home, tmp_path, monkeypatch):
    pictures(tmp_path / "tiles", 12, (32, 32), seed=1)
    (tmp_path / "tiles" / "000.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 12 tiles cannot be used, more than dataset.max_bad_share 0.01 allows"):
        made(tmp_path / "area", home / "run", tmp_path / "tiles")
    config = home / "run" / "config.yaml"
    before = saved_settings(config)
    save_settings(config, replace(before, dataset=replace(before.dataset, max_bad_share=0.1)))
    try:
        manifest, bad = made(tmp_path / "area", home / "run", tmp_path / "tiles")
    finally:
        save_settings(config, before)
    assert manifest.tiles == 11 and [uri for uri, _ in bad] == [str(tmp_path / "tiles" / "000.png")]
    assert EXPERIMENT.dataset.max_bad_share == 0.01


def test_tiles_of_the_runs_own_area_are_told_from_training_tiles(cluster, home, tmp_path):
    """Where the index holds the validation tiles themselves, these cannot be decoys."""
    import cv2

    from ucvgl.images.image_store import ImageStore

    store = ImageStore(home / "run" / "2_project" / "validation" / "references")
    (tmp_path / "own").mkdir()
    for row, image in enumerate(store.read(range(40))):
        cv2.imwrite(str(tmp_path / "own" / f"{row:03d}.png"), image[..., ::-1])
    manifest, _ = made(tmp_path / "area", home / "run", tmp_path / "own")
    assert manifest.calibration is not None
    own = manifest.calibration
    assert own.own_per_decoy == 1.0 and own.pool == 80


def test_without_held_out_queries_there_is_no_confidence_and_it_is_said(cluster, home, tmp_path):
    manifest, _ = made(tmp_path / "area", make_run(tmp_path / "run"), home / "tiles")
    assert manifest.calibration is None
    assert manifest.uncalibrated == "the run has no evaluated validation images that it was not trained on"


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
