"""One object answers photos, given as paths, bytes or pixels."""

import json
from dataclasses import asdict, replace

import faiss
import numpy as np
import pytest

import ucvgl
from benchmarks.in_process import InProcess
from tests.index.areas import (
    CALIBRATION,
    MODEL,
    PLACING,
    QUERY,
    TILE,
    change_manifest,
    make_index,
    make_run,
    pictures,
    pixels_of,
    replace_file,
)
from ucvgl.distributed.reading import read_listed
from ucvgl.images.decode import BadImage, resize
from ucvgl.images.image_store import write_shard
from ucvgl.index.encoders import Encoders
from ucvgl.index.localizer import Localizer, load
from ucvgl.index.nearest import to_bytes
from ucvgl.networks.towers import TwoTowers, embed, save_towers
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.projection.birdseye import from_above
from ucvgl.projection.photo import panorama_of
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Projection


@pytest.fixture(scope="module")
def localizer(tmp_path_factory) -> Localizer:
    return make_index(tmp_path_factory.mktemp("areas") / "area")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("photos"), 3, (32, 128), seed=5)


def test_no_photo_has_no_answer(tmp_path):
    """As of a part of many of which none can be used."""
    localizer = make_index(tmp_path / "area")
    vectors = localizer.encoders.embed_seen(np.zeros((0, 32, 128, 3), np.uint8), "query")
    assert localizer.answers([], vectors[:, None], k=3, doubts=[], grounds=[], looked_deg=[]) == []


def test_paths_bytes_and_pixels_are_one_photo(localizer, photos):
    path = photos[0]
    forms = [path, str(path), path.read_bytes(), pixels_of(path)]
    vectors = localizer.embed_queries(forms)
    assert vectors.shape == (4, localizer.encoders.dimension)
    np.testing.assert_allclose(vectors, np.tile(vectors[0], (4, 1)), atol=1e-2)
    answers = localizer.localize(forms)
    assert len({answer.candidates[0].id for answer in answers}) == 1
    assert [answer.query for answer in answers] == [str(path), str(path), "photo 3", "photo 4"]


def test_images_reach_the_encoders_as_in_the_pipeline(localizer, photos):
    """The pipeline decodes, shrinks by `resize`, and calls `embed` (ucvgl/distributed)."""
    towers, tiles = localizer.encoders.towers, [tile for tile in localizer.index.tiles["uri"].to_pylist()]
    shrunk = np.stack([resize(pixels_of(path), *QUERY) for path in photos])
    np.testing.assert_array_equal(localizer.embed_queries(photos), embed(towers, shrunk, "query"))
    shrunk = np.stack([resize(pixels_of(path), *TILE) for path in tiles])
    np.testing.assert_array_equal(localizer.embed_references(tiles), embed(towers, shrunk, "reference"))


def test_a_query_of_both_is_panorama_and_birds_eye_view_as_in_the_pipeline(tmp_path, photos):
    towers = TwoTowers(replace(MODEL, query="both"), QUERY, TILE)
    save_towers(towers, tmp_path / "model.pt")
    encoders = Encoders((tmp_path / "model.pt").read_bytes(), Projection(), device="cpu")
    whole = [pixels_of(path) for path in photos]
    stores = {
        "queries": np.stack([resize(image, *QUERY) for image in whole]),
        "bev": np.stack([from_above(Projection(), image, TILE[0]) for image in whole]),
    }
    for view, images in stores.items():
        write_shard(tmp_path / view, 0, ["a", "b", "c"], images)
    looks = Look(tmp_path / "queries", "query"), Look(tmp_path / "bev", "reference")
    job = EmbedJob(looks, tmp_path / "model.pt", tmp_path / "made", searched=True)
    InProcess(lambda **_: None).embed([job])
    (part,) = parts_of(tmp_path / "made")
    np.testing.assert_array_equal(encoders.embed_queries(photos), np.load(part))
    apart = [embed(encoders.towers, stores[look.store.name], look.view) for look in looks]
    cosines = np.einsum("nd,knd->kn", np.load(part), np.stack(apart))
    np.testing.assert_allclose(cosines[0], cosines[1], atol=1e-5, err_msg="it lies halfway between the two")
    assert (cosines < 1).all() and (cosines > 0).all()


def test_the_answer_is_the_sort_of_all_similarities(localizer, photos):
    answers = localizer.localize(photos, k=4)
    tiles = localizer.index.tiles
    products = localizer.embed_queries(photos) @ localizer.embed_references(tiles["uri"].to_pylist()).T
    for answer, product in zip(answers, products, strict=True):
        order = np.argsort(-product)[:4]
        assert [tile.row for tile in answer.candidates] == order.tolist()
        assert [tile.id for tile in answer.candidates] == [f"id{row}" for row in order]
        np.testing.assert_allclose([tile.similarity for tile in answer.candidates], product[order], atol=1e-5)
        assert [(tile.lat, tile.lon) for tile in answer.candidates] == [
            (pytest.approx(41 + 1e-3 * row), pytest.approx(2 - 2e-3 * row)) for row in order
        ]
        margin = product[order[0]] - product[order[1]]
        assert answer.confidence == pytest.approx(CALIBRATION.confidence(np.array([margin]))[0], abs=1e-4)


def test_one_tile_is_asked_for_and_the_margin_is_still_known(localizer, photos):
    (one,), (five,) = localizer.localize(photos[0], k=1), localizer.localize(photos[0], k=5)
    assert len(one.candidates) == 1 and one.confidence == five.confidence
    with pytest.raises(ValueError, match="k is 0; ask for at least one tile"):
        localizer.localize(photos[0], k=0)


def test_without_coordinates_or_calibration_there_are_none_to_tell(tmp_path, photos):
    (answer,) = make_index(tmp_path / "bare", located=False, calibrated=False).localize(photos[0])
    assert answer.confidence is None
    assert {(tile.lat, tile.lon) for tile in answer.candidates} == {(None, None)}


def test_no_photo_is_no_answer(localizer):
    assert localizer.localize([]) == []
    assert localizer.embed_queries([]).shape == (0, localizer.encoders.dimension)


def test_a_run_embeds_but_has_nothing_to_search(tmp_path, photos):
    run = ucvgl.load(make_run(tmp_path / "run"))
    assert run.embed_queries(photos[:1]).shape == (1, run.encoders.dimension)
    with pytest.raises(ValueError, match="a run has no tiles to search; make an index with `ucvgl index RUN TILES"):
        run.localize(photos[0])


def test_what_is_no_image_is_refused_by_its_name(localizer, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    with pytest.raises(BadImage, match="a.jpg: not an image"):
        localizer.localize(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="absent.jpg"):
        localizer.localize(tmp_path / "absent.jpg")
    with pytest.raises(ValueError, match=r"pixels must be RGB, uint8 \[height, width, 3\], not float64 \[4, 4\]"):
        localizer.localize(np.zeros((4, 4)))


def test_what_is_neither_run_nor_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither a run .* nor an index"):
        load(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 3")
    with pytest.raises(ValueError, match="has no trained encoders yet; the command that began this run goes on"):
        load(tmp_path)


LENS = Lens(80.0, 45.0, -45.0)


@pytest.fixture(scope="module")
def for_photos(tmp_path_factory):
    """An index of a run that was trained on photos."""
    folder = tmp_path_factory.mktemp("snapshots") / "area"
    make_index(folder)
    change_manifest(folder, lens=asdict(LENS), placing=PLACING, tile_side_m=40.0, photo_aspect=None)
    return folder


def test_a_photo_is_answered_as_the_panorama_that_it_is_a_part_of(for_photos, tmp_path):
    (path,) = pictures(tmp_path, 1, (48, 64), seed=9)
    photo, localizer = pixels_of(path), load(for_photos, heading=70.0)
    whole = panorama_of(np.ascontiguousarray(photo), LENS, fov_deg=80, heading_deg=70)
    np.testing.assert_array_equal(localizer.query(path).panorama, whole)
    seen = np.stack([resize(whole, *QUERY)])
    expected = embed(localizer.encoders.towers, seen, "query")
    (answer,), (north,) = localizer.localize(path), load(for_photos, heading=0.0).localize(path)
    assert localizer.index is not None and answer.camera is not None and north.camera is not None
    assert answer.candidates[0].similarity == pytest.approx((localizer.index.vectors() @ expected[0]).max(), abs=1e-4)
    assert abs(answer.camera.heading_deg - 70) < 30 and abs((north.camera.heading_deg + 180) % 360 - 180) < 30


def test_photos_that_say_nothing_of_where_they_looked_need_a_heading_or_are_searched_all_around(for_photos, tmp_path):
    (path,) = pictures(tmp_path, 1, (48, 64), seed=9)
    with pytest.raises(BadImage, match="nobody says where it looked"):
        load(for_photos).localize(path)
    assert load(for_photos, heading="unknown").localize(path)[0].heading_deg is not None


@pytest.mark.parametrize("heading", ["known", "unknown"])
def test_many_photos_are_read_as_one_is(for_photos, tmp_path, heading):
    paths = [str(path) for path in pictures(tmp_path, 3, (48, 64), seed=9)]
    localizer = load(for_photos, heading=heading if heading == "unknown" else 200.0)
    row = {"id": paths, "uri": paths, "heading_deg": [200.0, 200.0, None]}
    read = read_listed(row, how=localizer.encoders.preprocessing("query"), heading=heading)
    good = paths if heading == "unknown" else paths[:2]
    assert list(read["id"]) == good and [uri for uri, _ in json.loads(read["bad"])] == paths[len(good) :]
    assert read["looked_deg"] == [0.0 if heading == "unknown" else 200.0] * len(good)
    turns = 24 if heading == "unknown" else 1
    images = np.frombuffer(read["image"], np.uint8).reshape(len(good), turns, *QUERY, 3)
    for path, image in zip(good, images, strict=True):
        np.testing.assert_array_equal(image[0], resize(localizer.query(path).panorama, *QUERY))


@pytest.mark.parametrize("fields", [{"fov_deg": 151.0}, {"fov_deg": float("nan")}, {"top_elevation_deg": -50.0}])
def test_an_index_whose_lens_cannot_be_is_refused(for_photos, fields):
    change_manifest(for_photos, lens=asdict(LENS) | fields)
    try:
        with pytest.raises(ValueError, match=r"manifest.json: lens.*; it is damaged"):
            load(for_photos)
    finally:
        change_manifest(for_photos, lens=asdict(LENS))


@pytest.mark.parametrize("how", [np.nan, np.inf, 0.0, 1e3])
def test_an_index_of_vectors_that_mean_nothing_gives_no_answer_whatever_its_digest(tmp_path, how):
    vectors = make_index(tmp_path / "area").index.vectors()  # pyright: ignore[reportOptionalMemberAccess]
    searcher = faiss.IndexFlatIP(vectors.shape[1])
    searcher.add(vectors * np.float32(how))
    replace_file(tmp_path / "area", "vectors.faiss", to_bytes(searcher))
    with pytest.raises(ValueError, match="area/vectors.faiss holds 6 vectors of 6 that are not finite or not of le"):
        load(tmp_path / "area")
