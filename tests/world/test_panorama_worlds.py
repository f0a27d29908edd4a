import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucvgl.settings.dataset import Synthetic, WorldLook
from ucvgl.world import panorama_worlds
from ucvgl.world.panorama_worlds import (
    catalog,
    mark_of,
    plan,
    render_world,
    settings_digest,
)
from ucvgl.world.world import build_world

SETTINGS = Synthetic(
    train_places=0, validation_places=10, panorama_height=32, panorama_width=128, tile_size=32,
    queries_without_reference=0.2, references_without_query=0.3,
)  # fmt: skip


@pytest.fixture(scope="module")
def small_worlds():
    """All worlds of this file are small: their size is not what is tested."""
    patch = pytest.MonkeyPatch()
    patch.setattr(panorama_worlds, "build_world", lambda seed, level, look: build_world(seed, level, look, side_m=260))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_worlds: None) -> Path:
    folder = tmp_path_factory.mktemp("worlds")
    for item in plan(SETTINGS):
        render_world(SETTINGS, item, folder)
    return folder


def truth(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / "truth").glob("*.parquet")))


def test_an_open_world_lacks_the_shares_asked_for(folder: Path):
    found = catalog(folder, "validation")
    assert found.queries.num_rows == 10 - 3
    assert found.references.num_rows == 10 - 2
    pairs = truth(folder)
    assert pairs.num_rows == 10 - 3 - 2
    assert set(pairs["query_id"].to_pylist()) < set(found.queries["id"].to_pylist())
    assert set(pairs["reference_id"].to_pylist()) < set(found.references["id"].to_pylist())


def test_ids_and_their_order_say_nothing_about_pairs(folder: Path):
    found, pairs = catalog(folder, "validation"), truth(folder).to_pylist()
    queries, references = found.queries["id"].to_pylist(), found.references["id"].to_pylist()
    assert queries == sorted(queries) and references == sorted(references)
    assert not set(queries) & set(references)
    partner = [references.index(pair["reference_id"]) for pair in sorted(pairs, key=lambda p: p["query_id"])]
    assert partner != sorted(partner)


def test_the_catalog_needs_no_truth_and_knows_where_tiles_lie(folder: Path, tmp_path: Path):
    blind = shutil.copytree(folder, tmp_path / "blind")
    shutil.rmtree(blind / "truth")
    found = catalog(blind, "validation")
    assert found.references.column_names == ["id", "uri", "lat", "lon"]
    assert found.queries.column_names == ["id", "uri"]
    assert all(-90 < lat < 90 for lat in found.references["lat"].to_pylist())
    assert all(Path(uri).is_file() for uri in found.queries["uri"].to_pylist())


def test_a_finished_world_is_not_rendered_again(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(panorama_worlds, "render_tile", None)
    for item in plan(SETTINGS):
        render_world(SETTINGS, item, folder)


def test_a_finished_world_without_its_truth_stays_without(folder: Path, tmp_path: Path):
    blind = shutil.copytree(folder, tmp_path / "blind")
    shutil.rmtree(blind / "truth")
    for item in plan(SETTINGS):
        render_world(SETTINGS, item, blind)
    assert not (blind / "truth").exists()


def test_a_world_that_was_cut_off_is_rendered_to_the_same_bytes(
    folder: Path, tmp_path: Path, small_worlds: None
):
    broken = shutil.copytree(folder, tmp_path / "broken")
    shutil.rmtree(broken / "truth")
    next((broken / "validation").glob("reference_positions-*")).unlink()
    lost = next((broken / "validation" / "panorama").glob("*.jpg"))
    lost.unlink()
    for item in plan(SETTINGS):
        render_world(SETTINGS, item, broken)
    for path in folder.rglob("*.*"):
        assert (broken / path.relative_to(folder)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("look", [WorldLook(), WorldLook(photo_fov_deg=90.0)])
def test_parts_make_the_bytes_of_the_whole_and_the_world_is_there_when_it_is_finished(
    tmp_path: Path, small_worlds: None, look: WorldLook
):
    settings = replace(SETTINGS, look=look)
    item = replace(plan(settings)[0], places=7)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    render_world(settings, item, whole)
    for first in (2, 0, 1):
        assert not (parts / mark_of(item)).exists()
        render_world(settings, item, parts, (first, 3))
    render_world(settings, item, parts, None)
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.*")}
    assert {path.relative_to(parts): path.read_bytes() for path in parts.rglob("*.*")} == files
    assert any("query_headings" in path.name for path in files) == bool(look.photo_fov_deg)


def test_no_world_serves_two_splits_or_two_seeds():
    plans = [plan(Synthetic(seed=seed, train_places=2600, validation_places=700)) for seed in range(20)]
    seeds = [item.seed for worlds in plans for item in worlds]
    assert len(set(seeds)) == len(seeds)
    assert [item.places for item in plans[0]] == [500, 500, 500, 500, 500, 100, 500, 200]


def test_every_setting_changes_the_name_of_the_cache():
    changes = (
        {"level": "hard"}, {"look": WorldLook(veil=0.1)}, {"seed": 1}, {"tile_size": 64},
        {"queries_without_reference": 0.1},
    )  # fmt: skip
    names = [settings_digest(dataclasses.replace(Synthetic(), **change)) for change in ({}, *changes)]
    assert len(set(names)) == len(names)


def test_a_look_that_is_new_later_changes_no_name():
    """What is looked like as usual is no part of the name; else every version of ours would render all anew."""
    assert settings_digest(Synthetic()) == "d7e57a58b53e"


@pytest.mark.parametrize("anywhere", [False, True])
def test_photos_take_the_place_of_panoramas_and_say_where_they_look_if_they_may(small_worlds, tmp_path, anywhere):
    look = WorldLook(photo_fov_deg=90.0, any_heading=anywhere)
    settings = dataclasses.replace(SETTINGS, look=look, panorama_height=64, panorama_width=256)
    for item in plan(settings):
        render_world(settings, item, tmp_path)
    queries = catalog(tmp_path, "validation").queries
    assert cv2.imread(queries["uri"][0].as_py()).shape == (48, 64, 3)
    assert ("heading_deg" in queries.column_names) != anywhere
    if not anywhere:
        looks = np.array(queries["heading_deg"].to_pylist())
        assert len(looks) == 7 and (looks >= 0).all() and (looks < 360).all() and np.ptp(looks) > 90


def test_an_impossible_share_is_refused_by_name():
    with pytest.raises(ValueError, match=r"queries_without_reference is 1.5; it is a share, from 0 to 1"):
        plan(Synthetic(queries_without_reference=1.5))
    with pytest.raises(ValueError, match="more than 1 together"):
        plan(Synthetic(queries_without_reference=0.6, references_without_query=0.6))


def test_a_folder_without_images_says_what_to_do(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no image; render the synthetic worlds first"):
        catalog(tmp_path, "train")
