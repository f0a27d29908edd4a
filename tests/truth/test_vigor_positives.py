import shutil
from pathlib import Path

import pytest

from tests.images.published import CITIES, vigor_names, write_vigor
from ucvgl.images.listing import opaque_id
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth


def query(city: str, k: int) -> str:
    return opaque_id(f"{city}/panorama/{vigor_names(city)[0][k]}")


def tile(city: str, k: int) -> str:
    return opaque_id(f"{city}/satellite/{vigor_names(city)[1][k]}")


def test_the_first_tile_of_a_line_is_the_positive_and_three_more_are_spared(tmp_path: Path):
    dataset = Dataset(name="vigor", root=str(write_vigor(tmp_path)))
    train, validation = read_truth(dataset, "train"), read_truth(dataset, "validation")
    assert train.positives == {query(city, k): (tile(city, 0),) for city in CITIES for k in range(2)}
    assert validation.positives == {query(city, 2): (tile(city, 1),) for city in CITIES}
    assert train.spared == {
        query(city, k): tuple(tile(city, near) for near in (2, 3, 4)) for city in CITIES for k in range(2)
    }
    assert validation.protocol == (
        "VIGOR same-area validation, Chicago, NewYork, SanFrancisco, Seattle, one positive tile; "
        "hit rate spares semi-positives"
    )


def test_across_areas_the_labels_of_the_cities_searched_count(tmp_path: Path):
    dataset = Dataset(name="vigor", root=str(write_vigor(tmp_path)), protocol="cross_area")
    truth = read_truth(dataset, "validation")
    assert set(truth.positives) == {query(city, k) for city in ("Chicago", "SanFrancisco") for k in range(3)}
    assert truth.protocol.startswith("VIGOR cross-area validation, SanFrancisco, Chicago, one positive tile")


def test_a_protocol_names_only_the_cities_that_have_labels_and_none_means_no_truth(tmp_path: Path):
    root = write_vigor(tmp_path)
    dataset = Dataset(name="vigor", root=str(root))
    (root / "splits/Chicago/same_area_balanced_test.txt").unlink()
    protocol = read_truth(dataset, "validation").protocol
    assert "validation, NewYork, SanFrancisco, Seattle, among tiles of Chicago as well, one" in protocol
    for path in root.glob("splits/*/same_area_balanced_test.txt"):
        path.unlink()
    assert read_truth(dataset, "validation") is None


def test_a_protocol_names_no_city_whose_images_are_not_there(tmp_path: Path):
    root = write_vigor(tmp_path)
    for city in ("NewYork", "SanFrancisco", "Seattle"):
        shutil.rmtree(root / city)
    truth = read_truth(Dataset(name="vigor", root=str(root)), "validation")
    assert truth.protocol.startswith("VIGOR same-area validation, Chicago, one positive tile")
    assert set(truth.positives) == {query("Chicago", 2)}


@pytest.mark.parametrize(("gone", "tiles"), [
    ("panorama", ", among tiles of Seattle as well"),
    ("satellite", ""),
    (f"satellite/{vigor_names('Seattle')[1][1]}", ", among tiles of Seattle as well"),
])  # fmt: skip
def test_a_protocol_names_only_cities_that_can_be_answered_and_those_of_other_tiles(
    tmp_path: Path, gone: str, tiles: str
):
    root = write_vigor(tmp_path)
    path = root / "Seattle" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    protocol = read_truth(Dataset(name="vigor", root=str(root)), "validation").protocol
    assert protocol.startswith(f"VIGOR same-area validation, Chicago, NewYork, SanFrancisco{tiles}, one positive")


def test_corrected_labels_are_named_in_the_protocol(tmp_path: Path):
    root = write_vigor(tmp_path)
    (root / "splits").rename(root / "splits__corrected")
    protocol = read_truth(Dataset(name="vigor", root=str(root)), "validation").protocol
    assert "Chicago, NewYork, SanFrancisco, Seattle, corrected labels, one positive tile" in protocol


def test_a_label_file_that_is_cut_off_is_refused(tmp_path: Path):
    root = write_vigor(tmp_path)
    path = root / "splits/Seattle/same_area_balanced_train.txt"
    path.write_text(path.read_text()[:-30])
    with pytest.raises(ValueError, match=r"Seattle/same_area_balanced_train.txt, line 2: 11 fields instead of 13"):
        read_truth(Dataset(name="vigor", root=str(root)), "train")


def test_labels_that_contradict_each_other_are_refused_and_the_same_twice_are_one(tmp_path: Path):
    root = write_vigor(tmp_path)
    path = root / "splits/Seattle/same_area_balanced_train.txt"
    whole, (first, other) = path.read_text(), path.read_text().splitlines()
    path.write_text(whole + first + "\n")
    once = read_truth(Dataset(name="vigor", root=str(root)), "train")
    words = other.split()
    words[0], words[1], words[4] = first.split()[0], words[4], words[1]
    path.write_text(whole + " ".join(words) + "\n")
    with pytest.raises(ValueError, match="same_area_balanced_train.txt names pano_3-0.* twice, with other tiles"):
        read_truth(Dataset(name="vigor", root=str(root)), "train")
    path.write_text(whole)
    assert read_truth(Dataset(name="vigor", root=str(root)), "train") == once
