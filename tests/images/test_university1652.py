from pathlib import Path

import pytest

from tests.images.published import BUILDINGS, rendered, write_image, write_university1652
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.university1652 import read_catalog


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_university1652(tmp_path / "University-Release")


def folders(table) -> set[tuple[str, ...]]:
    """The last three folders of every image: part, view, building."""
    return {Path(uri).parts[-4:-1] for uri in table["uri"].to_pylist()}


def expected(part: str, view: str, kind: str) -> set[tuple[str, ...]]:
    return {(part, view, building) for building in BUILDINGS[kind]}


@pytest.mark.parametrize("direction", ["drone_to_satellite", "satellite_to_drone", "street_to_satellite"])
def test_the_direction_says_what_asks_and_what_is_searched(root: Path, direction):
    asked, searched = direction.split("_to_")
    train, validation = (read_catalog(str(root), split, direction) for split in ("train", "validation"))
    assert folders(train.queries) == expected("train", asked, "train")
    assert folders(train.references) == expected("train", searched, "train")
    assert folders(validation.queries) == expected("test", f"query_{asked}", "query")
    assert folders(validation.references) == expected("test", f"gallery_{searched}", "gallery")


def test_every_image_of_a_building_counts(root: Path):
    catalog = read_catalog(str(root), "train", "drone_to_satellite")
    assert (catalog.queries.num_rows, catalog.references.num_rows) == (9, 3)
    assert len(set(catalog.queries["id"].to_pylist())) == 9, "images of one name in two buildings"


@pytest.mark.parametrize("folder", ["test/gallery_satellite_160k", "gallery_satellite_160k/0001"])
def test_distractors_join_the_searched_pool_only_and_copies_of_its_tiles_do_not(root: Path, folder):
    for k in range(4):
        write_image(root / folder / f"d{k}.jpg", rendered()[k].tile[::-1])
    building = BUILDINGS["gallery"][0]
    copied = root / f"test/gallery_satellite/{building}/{building}.jpg"
    (root / folder / "renamed.jpg").write_bytes(copied.read_bytes())
    for split, count in (("train", 3), ("validation", 3 + 4)):
        catalog = read_catalog(str(root), split, "drone_to_satellite_160k")
        assert catalog.references.num_rows == count and catalog.missing == ()


def test_tiles_that_no_machine_can_read_are_not_read_to_look_for_copies(root: Path):
    building = BUILDINGS["gallery"][0]
    for folder in (f"test/gallery_satellite/{building}", "test/gallery_satellite_160k"):
        (root / folder).mkdir(exist_ok=True)
        with (root / folder / "sparse.jpg").open("wb") as file:
            file.truncate(MAX_BYTES + 1)
    assert read_catalog(str(root), "validation", "drone_to_satellite_160k").references.num_rows == 3 + 2


def test_a_pool_without_the_distractors_asked_for_says_so(root: Path):
    catalog = read_catalog(str(root), "validation", "drone_to_satellite_160k")
    assert catalog.missing == ("test/gallery_satellite_160k/",)


def test_the_folder_above_will_do_and_another_root_is_refused(root: Path):
    assert read_catalog(str(root.parent), "train", "drone_to_satellite").queries.num_rows == 9
    with pytest.raises(ValueError, match=r"none of the queries of university1652 \(missing, 2 in all: train/drone/"):
        read_catalog(str(root / "train"), "train", "drone_to_satellite")
