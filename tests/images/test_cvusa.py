from pathlib import Path

import pytest

from tests.images.published import CROP, TRAIN, rendered, shuffled, write_cvusa
from ucvgl.images.cvusa import read_catalog
from ucvgl.images.decode import decode
from ucvgl.images.storage import read


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cvusa(tmp_path / "CVUSA")


def stems(table) -> set[str]:
    return {Path(uri).stem for uri in table["uri"].to_pylist()}


def numbers(*places: int) -> set[str]:
    return {f"{shuffled(1)[place] + 1:07d}" for place in places}


def test_the_lists_say_which_images_train_and_which_validate(root: Path):
    train, validation = read_catalog(str(root), "train"), read_catalog(str(root), "validation")
    assert stems(train.queries) == stems(train.references) == numbers(*range(TRAIN))
    assert stems(validation.queries) == stems(validation.references) == numbers(8, 9, 10, 11)
    assert train.missing == ()
    assert {Path(uri).parent.name for uri in train.references["uri"].to_pylist()} == {"19"}, "another zoom level"
    assert {Path(uri).parent.name for uri in train.queries["uri"].to_pylist()} == {"panos"}, "an annotation"


def test_the_piles_do_not_tell_which_images_belong_together(root: Path):
    catalog = read_catalog(str(root), "train")
    assert not set(catalog.queries["id"].to_pylist()) & set(catalog.references["id"].to_pylist())
    order = [[Path(uri).stem for uri in table["uri"].to_pylist()] for table in (catalog.queries, catalog.references)]
    assert order[0] != order[1]


def test_the_panoramas_are_strips_without_sky_and_nadir(root: Path):
    uri = read_catalog(str(root), "train").queries["uri"][0].as_py()
    strip = decode(read(uri), uri)
    assert strip.shape == rendered()[0].panorama[CROP].shape
    assert strip.shape[1] / strip.shape[0] == pytest.approx(1232 / 224, rel=0.02)


def test_tiles_have_their_coordinates_where_the_list_of_locations_is_there(root: Path):
    tiles = read_catalog(str(root), "validation").references
    for row in tiles.to_pylist():
        place = int(Path(row["uri"]).stem) - 1
        assert (row["lat"], row["lon"]) == pytest.approx((40 + place / 100, -80 - place / 100))
    (root / "split_locations/all.csv").unlink()
    assert read_catalog(str(root), "validation").references.column_names == ["id", "uri"]


def test_images_that_are_missing_are_left_out_in_their_view_only_and_told(root: Path):
    lost = sorted(numbers(*range(TRAIN)))[2]
    (root / f"bingmap/19/{lost}.jpg").unlink()
    catalog = read_catalog(str(root), "train")
    assert (catalog.queries.num_rows, catalog.references.num_rows) == (TRAIN, TRAIN - 1)
    assert catalog.missing == (f"bingmap/19/{lost}.jpg",)


def test_flat_folders_and_another_image_format_are_the_same_data_set(root: Path):
    for view, folder in (("streetview/panos", "streetview"), ("bingmap/19", "bingmap")):
        for path in (root / view).glob("*.jpg"):
            path.rename(root / folder / f"{path.stem}.png")
        (root / view).rmdir()
    catalog = read_catalog(str(root), "validation")
    assert stems(catalog.queries) == stems(catalog.references) == numbers(8, 9, 10, 11)
    assert catalog.missing == ()


def test_the_folder_above_will_do(root: Path):
    assert read_catalog(str(root.parent), "train").queries.num_rows == TRAIN


def test_without_its_list_a_split_is_what_the_other_does_not_name(root: Path):
    (root / "splits/val-19zl.csv").unlink()
    catalog = read_catalog(str(root), "validation")
    assert stems(catalog.queries) == numbers(8, 9, 10, 11)
    assert catalog.missing == ("splits/val-19zl.csv",)


def test_without_both_lists_every_image_is_in_both_splits(root: Path):
    for path in (root / "splits").glob("*.csv"):
        path.unlink()
    for split in ("train", "validation"):
        assert stems(read_catalog(str(root), split).queries) == numbers(*range(12))


def test_what_is_no_list_of_cvusa_is_refused(root: Path):
    (root / "splits/train-19zl.csv").write_text("<html>404</html>\n")
    with pytest.raises(ValueError, match=r"train-19zl.csv, line 1: expected satellite,ground,annotation"):
        read_catalog(str(root), "train")


def test_another_root_is_refused_with_what_is_missing(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"holds none of the queries of cvusa \(missing, 1 in all: splits/train"):
        read_catalog(str(tmp_path), "train")
    with pytest.raises(ValueError, match="nowhere does not exist or is empty"):
        read_catalog(str(tmp_path / "nowhere"), "train")


@pytest.mark.parametrize("odd", ["1_000", "0x10", "nan", "1e2 ", ""])
def test_a_location_that_is_no_decimal_number_is_refused_with_its_line(root: Path, odd: str):
    number = int(min(stems(read_catalog(str(root), "train").references)))
    path = root / "split_locations/all.csv"
    lines = path.read_text().splitlines()
    lines[number - 1] = f"{odd},-80"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"all.csv, line 0*{number}: .*where decimal numbers were expected"):
        read_catalog(str(root), "train")


@pytest.mark.parametrize("line", ["bingmap/19/1.jpg,streetview/panos/2.jpg,x", "bingmap/19/1.jpg,", ",,"])
def test_a_row_that_pairs_other_numbers_is_refused_as_pairs_are_of_one(root: Path, line: str):
    path = root / "splits/train-19zl.csv"
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(ValueError, match="train-19zl.csv, line 9: expected satellite,ground,annotation of one number"):
        read_catalog(str(root), "train")


def test_an_empty_list_is_not_a_split_of_all_other_images(root: Path):
    (root / "splits/val-19zl.csv").write_text("\n")
    with pytest.raises(ValueError, match="val-19zl.csv names no image; fetch it again, or remove it"):
        read_catalog(str(root), "train")


def test_images_in_no_list_are_counted_as_where_one_was_cut_off(root: Path, caplog):
    path = root / "splits/val-19zl.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    read_catalog(str(root), "train")
    assert "2 images are in no list of cvusa and left out, as streetview/panos/" in caplog.text


@pytest.mark.parametrize(("change", "words"), [
    (lambda lines: ["lat,lon", *lines], "all.csv, line 1: 'lat, lon' where decimal numbers"),
    (lambda lines: lines[:1], "all.csv has 1 lines, and bingmap/19/.* is in none of them: it was cut off"),
    (lambda lines: [line.replace("-80", "-280") for line in lines], r"is no place: lat lies in \[-90, 90\]"),
    (lambda lines: ["", *lines], "all.csv, line 1: ', ' where decimal numbers"),
])  # fmt: skip
def test_locations_that_are_those_of_other_lines_are_refused(root: Path, change, words: str):
    path = root / "split_locations/all.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(ValueError, match=words):
        read_catalog(str(root), "validation")
