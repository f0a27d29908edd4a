import unicodedata
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucvgl.images.folder import read_catalog
from ucvgl.images.listing import opaque_id
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import GroundTruth, read_truth
from ucvgl.world import panorama_worlds


def one_each(pairs: dict[str, str]) -> GroundTruth:
    return GroundTruth({query: (reference,) for query, reference in pairs.items()})


@pytest.fixture
def folder(tmp_path) -> Dataset:
    for name in ("ground/a.jpg", "ground/b.jpg", "tile/1.jpg", "tile/2.jpg", "tile/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return Dataset(name="folder", root=str(tmp_path))


def name_of(table) -> dict[str, str]:
    return {
        identity: uri.rsplit("/", 1)[1] for identity, uri in zip(*table.to_pydict().values(), strict=True)
    }


def test_truth_of_a_folder_is_read_by_file_names(folder, tmp_path):
    (tmp_path / "truth.csv").write_text("query,reference\nb.jpg,1.jpg\na.jpg,3.jpg\n")
    catalog = read_catalog(folder.root, "validation")
    queries, references = name_of(catalog.queries), name_of(catalog.references)
    truth = read_truth(folder, "validation")
    assert {queries[query]: references[tile] for query, (tile,) in truth.positives.items()} == {
        "b.jpg": "1.jpg",
        "a.jpg": "3.jpg",
    }


def test_truth_of_two_globs_is_read_by_paths_below_the_root(folder, tmp_path):
    (tmp_path / "truth.csv").write_text("query,reference\nground/b.jpg,tile/1.jpg\n")
    by_glob = replace(folder, queries="gr*", references="tile")
    truth = read_truth(by_glob, "validation")
    assert truth == one_each({opaque_id("ground/b.jpg"): opaque_id("tile/1.jpg")})


def test_without_a_truth_file_there_is_none(folder, tmp_path):
    assert read_truth(folder, "train") is None
    assert read_truth(Dataset(name="synthetic", root=str(tmp_path)), "train") is None


@pytest.mark.parametrize(
    "text,message",
    [
        (
            "ground,reference\na.jpg,1.jpg\n",
            r"lacks the columns \['query'\]; its first line should be: query,reference",
        ),
        ("query,reference\n", "it names no pair at all"),
        ("query,reference\na.jpg,1.jpg\na.jpg,2.jpg\n", "names 1 queries more than once"),
    ],
)
def test_a_wrong_truth_file_is_refused_in_plain_words(folder, tmp_path, text, message):
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_truth(folder, "train")


def test_truth_of_the_synthetic_world_is_read_from_all_files_of_the_split(tmp_path):
    world = Dataset(name="synthetic", root=str(tmp_path))
    (panorama_worlds.home(world) / "truth").mkdir(parents=True)
    for name, query, reference in (
        ("train-0", "q0", "r0"),
        ("train-1", "q1", "r1"),
        ("validation-0", "q2", "r2"),
    ):
        table = pa.table({"query_id": [query], "reference_id": [reference]})
        pq.write_table(table, panorama_worlds.home(world) / f"truth/{name}.parquet")
    assert read_truth(world, "train") == one_each({"q0": "r0", "q1": "r1"})
    assert read_truth(world, "validation") == one_each({"q2": "r2"})


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ("1.jpg,a.jpg", "its columns are swapped: write the query first"),
        ("A.jpg,1.jpg", "it says A.jpg, and the image is a.jpg: write upper and lower case as they are"),
        ("a,1", "it says a, and the image is a.jpg: write names with their ending"),
        ("a.jpg,2", "it says 2, and the image is 2.jpg: write names with their ending"),
        ("ground/a.jpg,tile/1.jpg", "it says ground/a.jpg, and the image is a.jpg: write paths below the folder"),
        ("x.jpg,y.jpg", "it says x.jpg, and the images are a.jpg, b.jpg"),
        (",1.jpg", "none of its 1 rows names two images"),
    ],
)
def test_a_truth_file_that_matches_nothing_is_refused_with_what_the_matter_may_be(folder, tmp_path, row, hint):
    (tmp_path / "truth.csv").write_text(f"query,reference\n{row}\n")
    with pytest.raises(ValueError, match=hint):
        read_truth(folder, "validation")


def test_rows_that_name_no_image_are_said_with_every_number(folder, tmp_path):
    (tmp_path / "truth.csv").write_text("query,reference\na.jpg,3.jpg\nb.jpg,9.jpg\nx.jpg,1.jpg\n")
    truth = read_truth(folder, "validation")
    assert truth is not None and len(truth.positives) == 1
    assert truth.protocol == "one true tile; 2 of the 3 rows of truth.csv name files that are not there (9.jpg)"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_an_accent_may_be_a_letter_of_its_own_in_the_list_or_on_the_disk(folder, tmp_path, on_disk):
    named = unicodedata.normalize(on_disk, "é.jpg")
    for view in ("ground", "tile"):
        (tmp_path / view / named).write_bytes(b"")
    other = unicodedata.normalize("NFD" if on_disk == "NFC" else "NFC", named)
    (tmp_path / "truth.csv").write_text(f"query,reference\n{other},{other}\na.jpg,1.jpg\n")
    (tmp_path / "references.csv").write_text(f"file,lat,lon\n{other},1,2\n")
    pairs = {f"ground/{named}": f"tile/{named}", "ground/a.jpg": "tile/1.jpg"}
    assert read_truth(folder, "validation") == one_each({opaque_id(one): opaque_id(two) for one, two in pairs.items()})
    references = read_catalog(folder.root, "validation").references
    assert references["lat"].drop_null().to_pylist() == [1.0]
