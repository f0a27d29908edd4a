from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.images.published import PLACES, TRAIN, cvact_ids, write_cvact
from ucvgl.images.cvact import read_catalog
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth


@pytest.fixture(params=[False, True], ids=["characters", "cells"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_cvact(tmp_path, cells=request.param)


def ids(table) -> set[str]:
    names = {Path(uri).stem for uri in table["uri"].to_pylist()}
    return {name.removesuffix("_grdView").removesuffix("_satView_polish") for name in names}


PARTS = {
    ("train", "validation"): set(cvact_ids()[:TRAIN]),
    ("validation", "validation"): set(cvact_ids()[TRAIN:PLACES]),
    ("train", "test"): set(cvact_ids()[:TRAIN]),
    ("validation", "test"): set(cvact_ids()[PLACES:]),
}


@pytest.mark.parametrize(("split", "protocol"), PARTS)
def test_the_matlab_file_says_which_images_are_in_which_split(root: Path, split, protocol):
    catalog = read_catalog(str(root), split, protocol)
    assert ids(catalog.queries) == ids(catalog.references) == PARTS[split, protocol]
    assert all("_grdView" in uri for uri in catalog.queries["uri"].to_pylist())
    assert all("_satView_polish" in uri for uri in catalog.references["uri"].to_pylist())
    assert catalog.missing == ()


def test_images_that_are_missing_are_left_out_and_told(root: Path):
    lost = cvact_ids()[3]
    (root / f"ANU_data_small/streetview/{lost}_grdView.jpg").unlink()
    catalog = read_catalog(str(root), "train", "validation")
    assert ids(catalog.queries) == PARTS["train", "validation"] - {lost}
    assert ids(catalog.references) == PARTS["train", "validation"]
    assert catalog.missing == (f"ANU_data_small/streetview/{lost}_grdView.jpg",)


def test_folders_flattened_into_the_root_are_the_same_data_set(root: Path):
    for view in ("streetview", "satview_polish"):
        (root / "ANU_data_small" / view).rename(root / view)
    for split in ("train", "validation"):
        assert ids(read_catalog(str(root), split, "validation").queries) == PARTS[split, "validation"]


def test_the_matlab_file_may_lie_among_the_images(root: Path):
    (root / "ACT_data.mat").rename(root / "ANU_data_small/ACT_data.mat")
    assert ids(read_catalog(str(root), "validation", "validation").queries) == PARTS["validation", "validation"]


def test_without_the_matlab_file_the_folders_are_the_splits(root: Path):
    (root / "ACT_data.mat").unlink()
    small = PARTS["train", "validation"] | PARTS["validation", "validation"]
    for split in ("train", "validation"):
        catalog = read_catalog(str(root), split, "validation")
        assert ids(catalog.queries) == ids(catalog.references) == small
        assert catalog.missing == ("ACT_data.mat",)
    assert ids(read_catalog(str(root), "validation", "test").queries) == PARTS["validation", "test"]


def test_a_test_set_that_was_not_fetched_is_refused_with_what_is_missing(root: Path):
    (root / "ANU_data_test").rename(root / "elsewhere")
    with pytest.raises(ValueError, match=r"queries of cvact \(missing, 16 in all: ANU_data_test/streetview"):
        read_catalog(str(root), "validation", "test")
    assert ids(read_catalog(str(root), "train", "test").queries) == PARTS["train", "test"]


def test_what_is_no_matlab_file_of_cvact_is_refused(root: Path):
    (root / "ACT_data.mat").write_bytes(b"<!DOCTYPE html>" * 20)
    with pytest.raises(ValueError, match=r"ACT_data.mat is not a MATLAB file that can be read \(.*fetch it again"):
        read_catalog(str(root), "train", "validation")
    savemat(root / "ACT_data.mat", {"something": 1})
    with pytest.raises(ValueError, match=r"ACT_data.mat lacks (panoIds|trainSet); it is not the list of CVACT"):
        read_catalog(str(root), "train", "validation")


@pytest.mark.parametrize("rows", [[0, 1], [1, 999], [1.5, 2], [np.nan, 1], [], ["a"], [1 + 2j]])
def test_rows_that_are_none_of_the_ids_are_refused_and_not_counted_from_the_end(root: Path, rows: list):
    rewrite(root, valSet={"valNum": 1, "valInd": np.array(rows)})
    with pytest.raises(ValueError, match="ACT_data.mat: valSet does not hold rows of panoIds, whole numbers from 1 to"):
        read_catalog(str(root), "validation", "validation")


def test_a_variable_that_is_no_struct_is_refused(root: Path):
    rewrite(root, valSet=np.arange(3))
    with pytest.raises(ValueError, match="ACT_data.mat: valSet does not hold rows of panoIds"):
        read_catalog(str(root), "validation", "validation")


@pytest.mark.parametrize("utm", [np.zeros((20, 2)), np.ones((5, 2)), np.ones((20, 1)), np.full((20, 2), np.nan)])
def test_positions_that_tell_nothing_are_refused_as_every_tile_would_be_right(root: Path, utm: np.ndarray):
    rewrite(root, utm=utm)
    with pytest.raises(ValueError, match="ACT_data.mat: utm does not hold two coordinates for each of panoIds"):
        read_truth(Dataset(name="cvact", root=str(root), protocol="test"), "validation")


def rewrite(root: Path, **values: object) -> None:
    """Change some variables of the MATLAB file."""
    content = {name: value for name, value in loadmat(root / "ACT_data.mat").items() if not name.startswith("__")}
    savemat(root / "ACT_data.mat", content | values)
