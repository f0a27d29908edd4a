"""Images under two names: who evaluates what was trained on, or asks with tiles, is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ucvgl.commands.doctor import examine
from ucvgl.images.folder import read_catalog
from ucvgl.images.same_files import shared_images
from ucvgl.types import Catalog

VIEWS = ("panorama", "satellite")
RANDOM = np.random.default_rng(0)


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(RANDOM.bytes(100))  # all of one size


def catalogs(root: Path) -> dict[str, Catalog]:
    return {"train": read_catalog(str(root), "train"), "validation": read_catalog(str(root), "validation")}


@pytest.mark.parametrize("how", ["link", "links", "hard links", "copies"])
def test_validation_images_that_are_trained_on_under_another_name_are_counted(tmp_path, how):
    make(tmp_path, *(f"train/{view}/{number}.jpg" for view in ("panorama", "satellite") for number in range(6)))
    if how == "link":
        (tmp_path / "val").symlink_to("train")
    else:
        make(tmp_path, "val/panorama/new.jpg", "val/satellite/new.jpg")
        for number in range(6):
            old, new = tmp_path / f"train/panorama/{number}.jpg", tmp_path / f"val/panorama/x{number}.jpg"
            {"links": lambda a, b: b.symlink_to(a), "hard links": os.link, "copies": shutil.copyfile}[how](old, new)
    (said,) = shared_images(catalogs(tmp_path))
    assert said.startswith(f"validation: at least 6 of the {6 if how == 'link' else 7} queries are TRAINED ON, as ")
    assert "/val/panorama/" in said and "which is" in said and "/train/panorama/" in said


def test_copies_of_tiles_among_the_queries_are_counted(tmp_path):
    make(tmp_path, "panorama/a.jpg", "panorama/b.jpg", "satellite/c.jpg")
    shutil.copyfile(tmp_path / "panorama/b.jpg", tmp_path / "satellite/d.jpg")
    said = shared_images(catalogs(tmp_path))
    assert len(said) == 2 and said[0].startswith("train: at least 1 of the 2 queries are TILES AS WELL")
    assert said[0].endswith("panorama/b.jpg, which is " + str(tmp_path / "satellite/d.jpg"))


def test_nothing_is_said_of_other_images_of_one_size_of_empty_files_and_of_one_pool_for_both(tmp_path):
    make(tmp_path, *(f"{split}/{view}/1.jpg" for split in ("train", "val") for view in ("panorama", "satellite")))
    for split in ("train", "val"):
        (tmp_path / split / "panorama" / "empty.jpg").write_bytes(b"")
        (tmp_path / split / "satellite" / "empty.jpg").write_bytes(b"")
    assert shared_images(catalogs(tmp_path)) == []
    shutil.rmtree(tmp_path / "val")
    assert shared_images(catalogs(tmp_path)) == []  # the way to train on all there is; the recall says so


def test_the_doctor_says_so(tmp_path):
    make(tmp_path, "train/panorama/a.jpg", "train/satellite/b.jpg")
    (tmp_path / "validation").symlink_to("train")
    said = str(examine("folder", str(tmp_path)))
    assert "validation: at least 1 of the 1 queries are TRAINED ON, as " in said
    assert "- take images that are the same file out of one of the two piles" in said


def test_images_that_are_larger_than_any_are_compared_by_nobody(tmp_path: Path) -> None:
    make(tmp_path, *(f"{split}/{view}/{split}{view}.jpg" for split in ("train", "val") for view in VIEWS))
    names = [f"{split}/{view}/{name}.jpg" for split in ("train", "val") for view in VIEWS for name in "ab"]
    for path in map(tmp_path.joinpath, names):
        with path.open("wb") as file:
            file.truncate(10 << 40)  # no machine could read it
    assert shared_images(catalogs(tmp_path)) == []
    told = examine("folder", str(tmp_path))
    assert "it has 10,995,116 MB, more than 268" in "\n".join(told.lines)
