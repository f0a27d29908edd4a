from pathlib import Path

import pytest

from tests.images.published import CITIES, vigor_names, write_vigor
from ucvgl.images.corpora import missing_root
from ucvgl.images.vigor import read_catalog
from ucvgl.settings.dataset import Dataset


@pytest.fixture(params=[False, True], ids=["by_city", "by_view"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_vigor(tmp_path, by_view=request.param)


def names(table) -> set[str]:
    return {Path(uri).name for uri in table["uri"].to_pylist()}


def panoramas(*cities: str, which: slice = slice(None)) -> set[str]:
    return {name for city in cities for name in vigor_names(city)[0][which]}


def tiles(*cities: str) -> set[str]:
    return {name for city in cities for name in vigor_names(city)[1]}


def test_in_the_same_area_all_cities_train_and_test_and_every_tile_is_in_both_pools(root: Path):
    train, validation = (read_catalog(str(root), split, "same_area") for split in ("train", "validation"))
    assert names(train.queries) == panoramas(*CITIES, which=slice(2))
    assert names(validation.queries) == panoramas(*CITIES, which=slice(2, None))
    assert names(train.references) == names(validation.references) == tiles(*CITIES)
    assert train.missing == validation.missing == ()


def test_across_areas_two_cities_train_and_two_others_test(root: Path):
    train, validation = (read_catalog(str(root), split, "cross_area") for split in ("train", "validation"))
    assert names(train.queries) == panoramas("NewYork", "Seattle")
    assert names(train.references) == tiles("NewYork", "Seattle")
    assert names(validation.queries) == panoramas("SanFrancisco", "Chicago")
    assert names(validation.references) == tiles("SanFrancisco", "Chicago")


def test_tiles_have_the_coordinates_of_their_names_and_panoramas_none(root: Path):
    catalog = read_catalog(str(root), "train", "same_area")
    assert catalog.queries.column_names == ["id", "uri"]
    for row in catalog.references.to_pylist():
        _, lat, lon = Path(row["uri"]).stem.split("_")
        assert (row["lat"], row["lon"]) == (float(lat), float(lon))


def test_a_tile_in_another_format_is_the_same_tile(root: Path):
    for path in root.rglob("satellite_*.png"):
        path.rename(path.with_suffix(".jpg"))
    catalog = read_catalog(str(root), "train", "same_area")
    assert catalog.references.num_rows == 28 and catalog.missing == ()


def test_images_and_cities_that_are_missing_are_left_out_and_told(root: Path):
    for path in [*root.rglob("*.jpg"), *root.rglob("*.png")]:
        if "Seattle" in path.parts or path.name in (vigor_names("Chicago")[0][0], vigor_names("NewYork")[1][6]):
            path.unlink()
    catalog = read_catalog(str(root), "train", "same_area")
    assert names(catalog.queries) == panoramas("Chicago", "NewYork", "SanFrancisco", which=slice(2)) - {
        vigor_names("Chicago")[0][0]
    }
    assert catalog.missing == (
        f"Chicago/panorama/{vigor_names('Chicago')[0][0]}",
        f"NewYork/satellite/{vigor_names('NewYork')[1][6]}",
        "Seattle/",
    )


def test_without_its_lists_a_city_is_used_as_a_whole(root: Path):
    for path in (root / "splits/Chicago").iterdir():
        path.unlink()
    catalog = read_catalog(str(root), "validation", "same_area")
    assert names(catalog.queries) == panoramas("Chicago") | panoramas(*CITIES[1:], which=slice(2, None))
    assert catalog.missing == (
        "splits/Chicago/same_area_balanced_test.txt",
        "splits/Chicago/satellite_list.txt",
    )


@pytest.mark.parametrize("ending", ["", "__corrected"])
@pytest.mark.parametrize("home", ["splits__corrected", "."])
def test_lists_in_other_folders_and_corrected_ones_are_read(root: Path, home: str, ending: str):
    for path in (root / "splits").glob("*/*.txt"):
        target = root / home / path.parent.name / (path.stem + ("" if "list" in path.stem else ending) + ".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    catalog = read_catalog(str(root), "train", "same_area")
    assert names(catalog.queries) == panoramas(*CITIES, which=slice(2))
    assert catalog.missing == ()


def test_the_original_lists_are_preferred_to_corrected_ones(root: Path):
    for city in CITIES:
        corrected = root / "splits__corrected" / city / "same_area_balanced_train__corrected.txt"
        corrected.parent.mkdir(parents=True)
        corrected.write_text(f"{vigor_names(city)[0][2]} x 0 0\n")
    assert names(read_catalog(str(root), "train", "same_area").queries) == panoramas(*CITIES, which=slice(2))


def test_the_folder_of_lists_is_not_taken_for_the_root(tmp_path: Path):
    write_vigor(tmp_path)
    for city in CITIES:
        (tmp_path / city).rename(tmp_path / city.lower())
    with pytest.raises(ValueError, match=rf"{tmp_path} holds none of the queries of vigor \(missing, 4 in all: Ch"):
        read_catalog(str(tmp_path), "train", "same_area")
    (said,) = missing_root(Dataset(name="vigor", root=str(tmp_path)))
    assert "has none of the folders of vigor" in said


def test_another_root_is_refused(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"none of the queries of vigor \(missing, 4 in all: Chicago/"):
        read_catalog(str(tmp_path), "train", "same_area")


@pytest.mark.parametrize("odd", ["0x10", "nan", "inf", "\u0661\u0662"])
def test_a_name_whose_place_is_no_decimal_number_is_refused(root: Path, odd: str):
    old = next(root.rglob(vigor_names("Seattle")[1][0]))
    new = f"satellite_{odd}_{old.stem.split('_')[2]}.png"
    for path in root.rglob("*.txt"):
        path.write_text(path.read_text().replace(old.name, new))
    old.rename(old.with_name(new))
    with pytest.raises(ValueError, match="the name of .*where decimal numbers were expected"):
        read_catalog(str(root), "train", "same_area")


@pytest.mark.parametrize(("content", "words"), [
    ("\n \n", "satellite_list.txt names no image; fetch it again, or remove it"),
    ("a.png\nb.png\n", "satellite_list.txt names none of the images in Seattle; it is another city's, or damaged"),
])  # fmt: skip
def test_a_list_that_leaves_a_city_without_images_is_refused(root: Path, content: str, words: str):
    (root / "splits/Seattle/satellite_list.txt").write_text(content)
    with pytest.raises(ValueError, match=words):
        read_catalog(str(root), "train", "same_area")


def test_a_label_file_that_is_cut_off_is_refused_before_anything_is_trained(root: Path):
    path = root / "splits/Seattle/same_area_balanced_train.txt"
    path.write_text(path.read_text()[:-30])
    with pytest.raises(ValueError, match="same_area_balanced_train.txt, line 2: 11 fields instead of 13"):
        read_catalog(str(root), "train", "same_area")


@pytest.mark.parametrize("name", ["satellite_list.txt", "pano_label_balanced.txt"])
def test_images_that_no_list_names_are_counted_as_where_one_was_cut_off(root: Path, name: str, caplog):
    lists = [root / "splits/Seattle" / name]
    lists += [root / f"splits/Seattle/same_area_balanced_{part}.txt" for part in ("train",) if "label" in name]
    for path in lists:
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    read_catalog(str(root), "validation", "same_area")
    assert "1 images are in no list of vigor and left out, as " in caplog.text
    caplog.clear()
    read_catalog(str(root), "validation", "cross_area")
    assert "in no list" not in caplog.text  # Seattle trains
