import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ucvgl.images.corpora import read_catalog
from ucvgl.settings.experiment import Dataset, Drone, Synthetic
from ucvgl.truth.door import read_truth
from ucvgl.world import drone_worlds
from ucvgl.world.drone_worlds import home, plan, render_area
from ucvgl.world.world import build_world

TRAIN, VALIDATION, DISTRACTORS, VIEWS = 4, 3, 2, 3


def small(root: Path, **changes) -> Dataset:
    settings = Synthetic(train_places=TRAIN, validation_places=VALIDATION, tile_size=32, **changes)
    drone = Drone(views=VIEWS, distractor_places=DISTRACTORS)
    return Dataset(name="synthetic_drone", root=str(root), synthetic=settings, drone=drone)


@pytest.fixture(scope="module")
def small_worlds():
    """All worlds of this file are small: their size is not what is tested."""
    patch = pytest.MonkeyPatch()
    patch.setattr(drone_worlds, "build_world", lambda seed, level, look: build_world(seed, level, look, side_m=300))
    yield
    patch.undo()


def render(dataset: Dataset) -> Path:
    for area in plan(dataset):
        render_area(dataset, area, home(dataset))
    return home(dataset)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, small_worlds: None) -> Dataset:
    dataset = small(tmp_path_factory.mktemp("flights"))
    render(dataset)
    return dataset


def count(folder: Path) -> dict[str, list[int]]:
    """How many images each building has, by the view's folder."""
    found = {}
    for view in sorted({path.parent.parent for path in folder.rglob("*.jp*g")}):
        found[str(view.relative_to(folder))] = [len(list(one.iterdir())) for one in sorted(view.iterdir())]
    return found


def test_the_tree_is_that_of_university_1652(dataset: Dataset):
    found = count(home(dataset))
    streets = {name: found.pop(name, []) for name in list(found) if "street" in name}
    assert found == {
        "train/drone": TRAIN * [VIEWS],
        "train/satellite": TRAIN * [1],
        "test/query_drone": VALIDATION * [VIEWS],
        "test/query_satellite": VALIDATION * [1],
        "test/gallery_drone": (VALIDATION + DISTRACTORS) * [VIEWS],
        "test/gallery_satellite": (VALIDATION + DISTRACTORS) * [1],
    }
    assert set(streets) == {"train/street", "test/query_street", "test/gallery_street"}
    assert all(images == [1] * len(images) for images in streets.values())
    names = {path.name for path in (home(dataset) / "train/drone").rglob("*.jpeg")}
    assert names == {"image-01.jpeg", "image-02.jpeg", "image-03.jpeg"}
    tiles = list((home(dataset) / "test/gallery_satellite").rglob("*.jpg"))
    assert all(tile.stem == tile.parent.name and len(tile.stem) == 4 for tile in tiles)


def test_training_and_test_share_no_building_and_queries_lie_in_the_gallery_byte_by_byte(dataset: Dataset):
    root = home(dataset)
    train, gallery = (
        {one.name for one in (root / part).iterdir()} for part in ("train/satellite", "test/gallery_satellite")
    )
    assert not train & gallery
    for kind in ("drone", "satellite", "street"):
        for path in (root / f"test/query_{kind}").rglob("*.jp*g"):
            twin = root / f"test/gallery_{kind}" / path.relative_to(root / f"test/query_{kind}")
            assert twin.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("protocol", "queries", "references", "positives"),
    [
        ("drone_to_satellite", VALIDATION * VIEWS, VALIDATION + DISTRACTORS, 1),
        ("satellite_to_drone", VALIDATION, (VALIDATION + DISTRACTORS) * VIEWS, VIEWS),
    ],
)
def test_corpus_and_truth_read_it_by_the_official_protocol(dataset, protocol, queries, references, positives):
    asked = dataclasses.replace(dataset, protocol=protocol)
    catalog, truth = read_catalog(asked, "validation"), read_truth(asked, "validation")
    assert (catalog.queries.num_rows, catalog.references.num_rows) == (queries, references)
    assert truth is not None and truth.average_precision
    assert truth.protocol.startswith("embedded world, " + protocol.replace("_", " "))
    assert set(truth.positives) == set(catalog.queries["id"].to_pylist())
    assert Counter(map(len, truth.positives.values())) == {positives: queries}
    trained = read_catalog(asked, "train")
    assert {trained.queries.num_rows, trained.references.num_rows} == {TRAIN * VIEWS, TRAIN}


def test_an_open_world_has_buildings_without_tile_and_without_flight(tmp_path: Path, small_worlds: None):
    dataset = small(tmp_path, queries_without_reference=0.25, references_without_query=0.25)
    render(dataset)
    train, truth = read_catalog(dataset, "train"), read_truth(dataset, "train")
    assert (train.queries.num_rows, train.references.num_rows) == ((TRAIN - 1) * VIEWS, TRAIN - 1)
    assert truth is not None and len(truth.positives) == (TRAIN - 2) * VIEWS


def test_a_finished_world_is_kept_and_one_that_was_cut_off_is_rendered_to_the_same_bytes(
    dataset: Dataset, tmp_path: Path, small_worlds: None
):
    whole = home(dataset)
    broken = shutil.copytree(whole, tmp_path / "broken")
    train, test = plan(dataset)
    (broken / "rendered" / f"train-{train.seed}.json").unlink()
    shutil.rmtree(broken / "train/drone")
    kept = broken / "test/gallery_drone"
    shutil.rmtree(kept)
    for area in (train, test):
        render_area(dataset, area, broken)
    assert not kept.exists(), "its world is noted as finished"
    for path in (whole / "train").rglob("*.*"):
        assert (broken / path.relative_to(whole)).read_bytes() == path.read_bytes(), path


def test_parts_make_the_bytes_of_the_whole(dataset: Dataset, tmp_path: Path, small_worlds: None):
    whole, (area, _) = home(dataset), plan(dataset)
    for first in (1, 0):
        render_area(dataset, area, tmp_path, (first, 2))
        assert not (tmp_path / "rendered").exists()
    render_area(dataset, area, tmp_path, None)
    for path in (whole / "train").rglob("*.*"):
        assert (tmp_path / path.relative_to(whole)).read_bytes() == path.read_bytes(), path
    assert (tmp_path / "rendered").exists()


def test_the_plan_shares_buildings_and_distractors_out_and_repeats_no_world():
    dataset = Dataset(
        name="synthetic_drone",
        synthetic=Synthetic(train_places=260, validation_places=130),
        drone=Drone(distractor_places=41),
    )
    areas = plan(dataset)
    assert [(area.split, area.places, area.distractors) for area in areas] == [
        ("train", 86, 0), ("train", 87, 0), ("train", 87, 0), ("validation", 65, 20), ("validation", 65, 21)
    ]  # fmt: skip
    assert [area.first for area in areas] == [1, 87, 174, 261, 346]
    seeds = [
        area.seed
        for seed in range(20)
        for area in plan(dataclasses.replace(dataset, synthetic=dataclasses.replace(dataset.synthetic, seed=seed)))
    ]
    assert len(set(seeds)) == len(seeds)


def test_every_setting_of_the_pictures_changes_the_name_of_the_cache(tmp_path: Path):
    changes = ({}, {"level": "hard"}, {"seed": 1}, {"tile_size": 64})
    names = {home(small(tmp_path)), home(dataclasses.replace(small(tmp_path), drone=Drone(views=4)))}
    for change in changes[1:]:
        settings = dataclasses.replace(small(tmp_path).synthetic, **change)
        names.add(home(dataclasses.replace(small(tmp_path), synthetic=settings)))
    assert len(names) == 2 + len(changes[1:])


def test_a_world_without_enough_buildings_says_so(tmp_path: Path, small_worlds: None):
    dataset = small(tmp_path)
    area = dataclasses.replace(plan(dataset)[0], places=900)
    with pytest.raises(ValueError, match=r"world \d+ has \d+ buildings, 900 were asked for"):
        render_area(dataset, area, home(dataset))
