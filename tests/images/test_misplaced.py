"""A list that is meant and would not be read does not pass for none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ucvgl.images.folder import read_catalog, read_references
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth

LISTS = {
    "references.csv": "file,lat,lon\n1.jpg,1,2\n",
    "headings.csv": "file,heading_deg\na.jpg,3\n",
    "truth.csv": "query,reference\na.jpg,1.jpg\n",
}


def make(root: Path, *splits: str) -> str:
    for split in splits:
        for name in ("panorama/a.jpg", "satellite/1.jpg"):
            (root / split / name).parent.mkdir(parents=True, exist_ok=True)
            (root / split / name).write_bytes(b"")
    return str(root)


def everything(root: str) -> None:
    for split in ("train", "validation"):
        read_catalog(root, split)
        read_truth(Dataset(name="folder", root=root), split)


@pytest.mark.parametrize("list_", LISTS)
def test_a_list_of_nearly_the_name_is_refused(list_: str, tmp_path: Path) -> None:
    root, stem = make(tmp_path, ""), list_.removesuffix(".csv")
    for name in (list_.title(), list_.upper(), f"{stem}.CSV", f"{list_}.txt", f"{stem.rstrip('s')}.CSV"):
        (tmp_path / name).write_text(LISTS[list_])
        with pytest.raises(ValueError, match=f"{name} would not be read: this list is {list_}; rename it so, or move"):
            everything(root)
        (tmp_path / list_).write_text(LISTS[list_])
        everything(root)
        (tmp_path / name).unlink()
        (tmp_path / list_).unlink()
    (tmp_path / f"my_{list_}").write_text("mine")
    everything(root)


@pytest.mark.parametrize("list_", LISTS)
@pytest.mark.parametrize("place", ["", "train/panorama", "train/satellite"])
def test_a_list_beside_the_splits_or_among_images_is_refused(list_: str, place: str, tmp_path: Path) -> None:
    root, wrong = make(tmp_path, "train", "validation"), tmp_path / place / list_
    wrong.write_text(LISTS[list_])
    if list_ != "truth.csv" and place == f"train/{'satellite' if list_ == 'headings.csv' else 'panorama'}":
        return everything(root)  # of the other view, it is none of ours
    with pytest.raises(ValueError, match=f"{list_} would not be read: this list is train/{list_}"):
        everything(root)
    (tmp_path / "train" / list_).write_text(LISTS[list_])
    everything(root)


def test_truth_that_comes_later_to_the_wrong_place_is_refused_by_evaluation(tmp_path: Path) -> None:
    root = make(tmp_path, "train", "validation")
    (tmp_path / "truth.csv").write_text(LISTS["truth.csv"])
    with pytest.raises(ValueError, match="truth.csv would not be read: this list is validation/truth.csv"):
        read_truth(Dataset(name="folder", root=root), "validation")


def test_an_area_knows_its_list_of_places_by_one_name(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")
    (tmp_path / "References.csv").write_text(LISTS["references.csv"])
    with pytest.raises(ValueError, match="References.csv would not be read: this list is references.csv"):
        read_references(str(tmp_path))


def test_it_is_said_of_how_many_images_a_list_of_headings_tells(tmp_path: Path, caplog) -> None:
    root = make(tmp_path, "")
    (tmp_path / "panorama/b.jpg").write_bytes(b"")
    (tmp_path / "headings.csv").write_text(LISTS["headings.csv"])
    read_catalog(root, "train")
    assert "headings.csv tells of 1 of 2 images: the others, if they are panoramas, are taken to" in caplog.text
