import os
import re
from pathlib import Path

import pytest

from ucvgl.images.folder import read_catalog
from ucvgl.images.listing import opaque_id


def make(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


def paths(table, root: str) -> set[str]:
    return {uri.removeprefix(f"{root}/") for uri in table["uri"].to_pylist()}


def test_the_synthetic_layout_is_a_folder_data_set(tmp_path):
    root = make(
        tmp_path,
        "train/panorama/1.jpg",
        "train/satellite/1.jpg",
        "validation/panorama/2.jpg",
        "validation/satellite/9.jpg",
    )
    train, validation = read_catalog(root, "train"), read_catalog(root, "validation")
    assert paths(train.queries, root) == {"train/panorama/1.jpg"}
    assert paths(train.references, root) == {"train/satellite/1.jpg"}
    assert paths(validation.queries, root) == {"validation/panorama/2.jpg"}
    assert paths(validation.references, root) == {"validation/satellite/9.jpg"}


@pytest.mark.parametrize(
    "ground,tiles", [("panorama", "satellite"), ("ground", "tile"), ("query", "reference")]
)
def test_without_splits_every_image_trains_and_the_same_pool_is_searched(tmp_path, ground, tiles):
    root = make(tmp_path, f"{ground}/a.jpg", f"{ground}/rome/b.PNG", f"{tiles}/c.webp")
    assert paths(read_catalog(root, "train").queries, root) == {f"{ground}/a.jpg", f"{ground}/rome/b.PNG"}
    for view in ("queries", "references"):
        assert getattr(read_catalog(root, "train"), view).equals(
            getattr(read_catalog(root, "validation"), view)
        )


def test_a_train_folder_alone_is_searched_as_well(tmp_path):
    root = make(tmp_path, "train/panorama/1.jpg", "train/satellite/1.jpg")
    assert read_catalog(root, "validation").queries.equals(read_catalog(root, "train").queries)


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(tmp_path):
    root = make(
        tmp_path, "ground/a.jpg", "ground/notes.txt", "ground/._a.jpg", "ground/.cache/b.jpg", "tile/c.jpg"
    )
    assert paths(read_catalog(root, "train").queries, root) == {"ground/a.jpg"}


def test_equal_names_in_both_views_and_their_order_tell_nothing(tmp_path):
    stems = [f"{i:04d}" for i in range(400)]
    root = make(tmp_path, *(f"{view}/{stem}.jpg" for view in ("panorama", "satellite") for stem in stems))
    catalog = read_catalog(root, "train")
    queries, references = catalog.queries.to_pydict(), catalog.references.to_pydict()
    assert not set(queries["id"]) & set(references["id"])
    for table in (queries, references):
        assert table["id"] == sorted(table["id"])
    same_row = sum(
        Path(a).stem == Path(b).stem for a, b in zip(queries["uri"], references["uri"], strict=True)
    )
    assert same_row < 8  # one is expected of two independent orders


def test_ids_depend_on_the_path_below_the_root_only(tmp_path):
    for place in ("a", "somewhere/else"):
        make(tmp_path / place, "ground/x.jpg", "tile/y.jpg")
    here, there = (read_catalog(str(tmp_path / place), "train") for place in ("a", "somewhere/else/"))
    assert here.queries["id"].to_pylist() == there.queries["id"].to_pylist() == [opaque_id("ground/x.jpg")]


def test_a_relative_root_is_listed_too(tmp_path, monkeypatch):
    make(tmp_path, "data/ground/x.jpg", "data/tile/y.jpg")
    monkeypatch.chdir(tmp_path)
    for root in ("data", "./data", "data/"):
        assert (
            Path(read_catalog(root, "train").queries["uri"][0].as_py()).resolve()
            == tmp_path / "data/ground/x.jpg"
        )


def test_places_of_tiles_are_read_and_may_be_partial(tmp_path):
    root = make(tmp_path, "ground/x.jpg", "tile/a.jpg", "tile/b.jpg")
    (tmp_path / "references.csv").write_text("file,lat,lon\na.jpg,41.5,-87\n")
    rows = {row["id"]: row for row in read_catalog(root, "train").references.to_pylist()}
    assert (rows[opaque_id("tile/a.jpg")]["lat"], rows[opaque_id("tile/a.jpg")]["lon"]) == (41.5, -87.0)
    assert rows[opaque_id("tile/b.jpg")]["lat"] is None


@pytest.mark.parametrize(
    "text,message",
    [
        (
            "name,lat,lon\na.jpg,1,2\n",
            r"references.csv lacks the columns \['file'\]; its first line should be",
        ),
        (
            "file,lat,lon\na.jpg,141.5,7\n",
            r"a.jpg lies at lat 141.5, lon 7; write degrees as decimal numbers, lat in \[-90, 90\]",
        ),
        ("file,lat,lon\na.jpg,,7\n", "a.jpg lies at lat nothing, lon 7"),
        *(
            (f"file,lat,lon\na.jpg,{odd},7\n", f"a.jpg lies at lat {odd}, lon 7")
            for odd in ("0x10", "true", "nan", "-inf", "1_0", "\u0661\u0662", "1e1", "\uff11", "1e-999", "-", "5 1")
        ),
        ("file,lat,lon\nz.jpg,1,2\n", r"names 1 files that are not in .*tile: \['z.jpg'\]"),
    ],
)
def test_a_wrong_list_of_places_is_refused_in_plain_words(tmp_path, text, message):
    root = make(tmp_path, "ground/x.jpg", "tile/a.jpg")
    (tmp_path / "references.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_catalog(root, "train")


@pytest.mark.parametrize(
    ("queries", "references"),
    [("2023/walks", "tiles"), ("20??/walks/*.jpg", "tiles/z19_*"), ("*/walks/*", "tiles")],
)
def test_two_folders_or_globs_are_two_piles(tmp_path, queries, references):
    names = ("2023/walks/a.jpg", "2023/walks/deep/b.jpg", "2023/selfies/c.jpg", "2023/walks/list.txt")
    root = make(tmp_path, *names, "tiles/z19_1.png", "tiles/z19_2.png")
    (tmp_path / "references.csv").write_text("file,lat,lon\ntiles/z19_2.png,1.5,2.5\n")
    for split in ("train", "validation"):
        catalog = read_catalog(root, split, queries, references)
        assert paths(catalog.queries, root) == {"2023/walks/a.jpg", "2023/walks/deep/b.jpg"}
        rows = {row["uri"].removeprefix(f"{root}/"): row["lat"] for row in catalog.references.to_pylist()}
        assert rows == {"tiles/z19_1.png": None, "tiles/z19_2.png": 1.5}


def test_a_glob_that_matches_nothing_is_told(tmp_path):
    root = make(tmp_path, "walks/a.jpg", "tiles/1.png")
    with pytest.raises(ValueError, match=r"no image \(.*\) lies in, or matches, 'walk/\*.jpg'"):
        read_catalog(root, "train", "walk/*.jpg", "tiles")


@pytest.mark.parametrize(
    "names,message",
    [
        ([], "does not exist or is empty"),
        (
            ["tile/a.jpg"],
            "has no folder panorama, ground or query; put the ground images in .*/panorama and the tiles",
        ),
        (["ground/a.jpg"], "has no folder satellite, tile or reference"),
        (
            ["ground/a.jpg", "panorama/b.jpg", "tile/c.jpg"],
            "folders ground and panorama, which mean the same; keep one",
        ),
        (["ground/a.txt", "tile/c.jpg"], r"ground holds no image \(.jpg .* among its 1 files"),
        (["validation/ground/a.jpg", "validation/tile/a.jpg"], "a folder `validation` but no `train`"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused_in_plain_words(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        read_catalog(make(tmp_path / "set", *names), "train")


@pytest.mark.parametrize("name", ["val", "valid", "test", "dev", "eval", "Val", "TEST"])
@pytest.mark.parametrize("train", ["train", "training", "Train"])
def test_a_split_may_have_any_of_its_usual_names(tmp_path, train, name):
    root = make(tmp_path, *(f"{split}/{view}/1.jpg" for split in (train, name) for view in ("panorama", "satellite")))
    assert paths(read_catalog(root, "train").queries, root) == {f"{train}/panorama/1.jpg"}
    assert paths(read_catalog(root, "validation").queries, root) == {f"{name}/panorama/1.jpg"}


@pytest.mark.parametrize("names", [("val", "test"), ("validation", "val"), ("train", "training")])
def test_two_folders_for_one_split_are_not_chosen_from(tmp_path, names):
    root = make(tmp_path, *(f"{split}/{view}/1.jpg" for split in ("train", *names) for view in ("ground", "tile")))
    for split in ("train", "validation"):
        with pytest.raises(ValueError, match=f"has the folders {' and '.join(sorted(names))}, which could all be its"):
            read_catalog(root, split)


@pytest.mark.parametrize("name", ["holdout/panorama/1.jpg", "panorama/1.jpg", "city/tile/2.jpg"])
def test_images_beside_the_splits_are_not_left_out_without_a_word(tmp_path, name):
    root = make(tmp_path, "train/panorama/1.jpg", "train/satellite/1.jpg", name)
    words = f"has the folder `{name.partition('/')[0]}` with images beside `train`, and nobody knows what for"
    with pytest.raises(ValueError, match=words):
        read_catalog(root, "validation")


@pytest.mark.parametrize("name", [b"val\xff", b"val\x1b"])
def test_a_split_whose_name_cannot_be_written_down_is_not_left_out_without_a_word(tmp_path, name):
    root = make(tmp_path, "train/panorama/1.jpg", "train/satellite/1.jpg")
    os.makedirs(os.path.join(os.fsencode(root), name, b"panorama"))
    shown = re.escape(name.decode("latin-1").encode("unicode_escape").decode())
    with pytest.raises(ValueError, match=f"has the folder `{shown}` with images beside `train`, whose name is"):
        read_catalog(root, "validation")


def test_other_folders_beside_the_splits_may_hold_what_they_like(tmp_path):
    root = make(tmp_path, "train/panorama/1.jpg", "train/satellite/1.jpg", "docs/map.jpg", "notes.txt")
    assert read_catalog(root, "validation").queries.num_rows == 1


def test_a_tile_that_has_two_places_is_refused(tmp_path):
    root = make(tmp_path, "panorama/1.jpg", "satellite/1.jpg")
    (tmp_path / "references.csv").write_text("file,lat,lon\n1.jpg,1.0,2.0\n1.jpg,3.0,4.0\n")
    with pytest.raises(ValueError, match="references.csv names 1.jpg more than once; write one row for each image"):
        read_catalog(root, "train")


def test_names_of_nothing_but_digits_stay_names(tmp_path):
    root = make(tmp_path, "panorama/1.jpg", "satellite/001.jpg")
    (tmp_path / "references.csv").write_text("file,lat,lon\n001,1.0,2.0\n")
    with pytest.raises(ValueError, match=r"names 1 files that are not in .*satellite: \['001'\]"):
        read_catalog(root, "train")


def test_images_of_kinds_that_are_not_read_are_counted_and_named(tmp_path):
    root = make(tmp_path, "ground/x.jpg", "tile/a.jpg", "tile/b.HEIC", "tile/.hidden.gif", "tile/list.txt")
    catalog = read_catalog(root, "train")
    assert catalog.missing == ("a kind of image that is not read: tile/b.HEIC",)
    assert catalog.references.num_rows == 1


def test_an_image_that_would_be_query_and_tile_at_once_is_refused(tmp_path):
    root = make(tmp_path, "photos/a.jpg", "photos/b.jpg", "tiles/c.jpg")
    for queries in ("photos", "*"):
        with pytest.raises(ValueError, match="2 images are queries and tiles at once, as photos/a.jpg: each would"):
            read_catalog(root, "train", queries, "photos")
    assert read_catalog(root, "train", "photos", "tiles").queries.num_rows == 2


@pytest.mark.parametrize("how", ["folder", "link", "hard link"])
def test_an_image_that_is_query_and_tile_under_two_names_is_refused(tmp_path, how):
    root = make(tmp_path, "panorama/a.jpg", "panorama/b.jpg", *([] if how == "folder" else ["satellite/t.png"]))
    if how == "folder":
        (tmp_path / "satellite").symlink_to("panorama")
    elif how == "link":
        (tmp_path / "satellite/u.jpg").symlink_to("../panorama/b.jpg")
    else:
        os.link(tmp_path / "panorama/b.jpg", tmp_path / "satellite/u.jpg")
    told = "2 images .* as panorama/a.jpg, which is satellite/a.jpg: each" if how == "folder" else (
        "1 images .* as panorama/b.jpg, which is satellite/u.jpg: each")  # fmt: skip
    with pytest.raises(ValueError, match=told):
        read_catalog(root, "train")


def test_a_list_of_places_without_rows_does_not_pass_for_none(tmp_path):
    root = make(tmp_path, "panorama/a.jpg", "satellite/a.jpg")
    (tmp_path / "references.csv").write_text("file,lat,lon\n")
    with pytest.raises(ValueError, match="references.csv tells of no image; write a row for each, or remove it"):
        read_catalog(root, "train")


def test_headings_of_ground_images_are_read_and_may_be_partial(tmp_path):
    make(tmp_path, "train/panorama/a.jpg", "train/panorama/b/c.jpg", "train/satellite/a.jpg")
    (tmp_path / "train/headings.csv").write_text("file,heading_deg\nb/c.jpg,-90\n")
    queries = read_catalog(str(tmp_path), "train").queries
    found = dict(zip(queries["uri"].to_pylist(), queries["heading_deg"].to_pylist(), strict=True))
    assert {uri.rpartition("/")[2]: looks for uri, looks in found.items()} == {"a.jpg": None, "c.jpg": 270.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,heading_deg\na.jpg,north\n", "headings.csv: a.jpg looks to north; write degrees"),
        ("file,heading_deg\na.jpg,361\n", "headings.csv: a.jpg looks to 361; write degrees"),
        ("file,heading_deg\nb.jpg,1\n", "headings.csv names 1 files that are not in .*panorama: .'b.jpg'"),
        ("file,heading_deg\na.jpg,1\na.jpg,2\n", "headings.csv names a.jpg more than once"),
        ("file,heading_deg\n", "headings.csv tells of no image"),
        ("file,heading\na.jpg,1\n", "headings.csv lacks the columns"),
    ],
)
def test_a_wrong_list_of_headings_is_refused_in_plain_words(tmp_path, text, message):
    make(tmp_path, "panorama/a.jpg", "satellite/a.jpg")
    (tmp_path / "headings.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_catalog(str(tmp_path), "train")


@pytest.mark.parametrize("place", ["0,0", "48.1,11.5"])
def test_tiles_that_all_lie_at_one_place_are_refused_and_some_at_zero_are_told(tmp_path, caplog, place):
    root = make(tmp_path, "ground/x.jpg", "tile/a.jpg", "tile/b.jpg", "tile/c.jpg")
    (tmp_path / "references.csv").write_text(f"file,lat,lon\na.jpg,{place}\nb.jpg,{place}\n")
    with pytest.raises(ValueError, match="references.csv: all 2 tiles lie at lat .*; give each its own place"):
        read_catalog(root, "train")
    (tmp_path / "references.csv").write_text("file,lat,lon\na.jpg,0,0\nb.jpg,1,2\nc.jpg,0.0,-0.0\n")
    assert read_catalog(root, "train").references.num_rows == 3
    assert "references.csv: 2 tiles lie at lat 0, lon 0, as if nobody knew" in caplog.text
