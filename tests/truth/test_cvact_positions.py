from pathlib import Path

import pytest

from tests.images.published import PLACES, TRAIN, cvact_ids, write_cvact
from ucvgl.images.listing import opaque_id
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth

IDS = cvact_ids()


@pytest.fixture(params=[False, True], ids=["characters", "cells"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_cvact(tmp_path, cells=request.param)


def query(place: int) -> str:
    part = "ANU_data_small" if place < PLACES else "ANU_data_test"
    return opaque_id(f"{part}/streetview/{IDS[place]}_grdView.jpg")


def tile(place: int) -> str:
    part = "ANU_data_small" if place < PLACES else "ANU_data_test"
    return opaque_id(f"{part}/satview_polish/{IDS[place]}_satView_polish.jpg")


def test_in_training_and_validation_a_panorama_has_its_own_tile(root: Path):
    dataset = Dataset(name="cvact", root=str(root))
    assert read_truth(dataset, "train").positives == {query(k): (tile(k),) for k in range(TRAIN)}
    validation = read_truth(dataset, "validation")
    assert validation.positives == {query(k): (tile(k),) for k in range(TRAIN, PLACES)}
    assert (validation.protocol, validation.own) == ("CVACT validation, one true tile", {})


def test_in_the_test_set_any_tile_within_five_metres_is_right_and_the_own_one_is_known_too(root: Path):
    truth = read_truth(Dataset(name="cvact", root=str(root), protocol="test"), "validation")
    near = {k: {k} for k in range(8)} | {0: {0, 1}, 1: {0, 1, 2}, 2: {1, 2}}  # at 0, 4, 9, 15, ... metres
    expected = {query(PLACES + k): {tile(PLACES + other) for other in some} for k, some in near.items()}
    assert {asked: set(tiles) for asked, tiles in truth.positives.items()} == expected
    assert truth.own == {query(k): (tile(k),) for k in range(PLACES, PLACES + 8)}
    assert truth.protocol == "CVACT test, any tile within 5 m"


def test_a_near_tile_still_counts_where_the_own_one_is_missing(root: Path):
    (root / f"ANU_data_test/satview_polish/{IDS[PLACES]}_satView_polish.jpg").unlink()
    truth = read_truth(Dataset(name="cvact", root=str(root), protocol="test"), "validation")
    assert truth.positives[query(PLACES)] == (tile(PLACES + 1),)
    assert query(PLACES) not in truth.own


def test_without_the_matlab_file_the_test_set_is_judged_by_names_and_says_so(root: Path):
    (root / "ACT_data.mat").unlink()
    truth = read_truth(Dataset(name="cvact", root=str(root), protocol="test"), "validation")
    assert truth.positives == {query(k): (tile(k),) for k in range(PLACES, PLACES + 8)}
    assert truth.protocol == "CVACT test without ACT_data.mat: not the official split, one true tile"
