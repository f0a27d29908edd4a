"""Every broken, swapped or foreign index is refused with a sentence that says what to do."""

import json
import shutil
from io import BytesIO

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.index.areas import change_manifest, make_index, replace_file
from ucvgl.index import nearest
from ucvgl.index.area import open_index
from ucvgl.index.localizer import load
from ucvgl.index.manifest import GROUNDS, MANIFEST, MODEL, TILES, VECTORS, is_index, read_manifest

FILES = (MODEL, TILES, VECTORS, GROUNDS)
WAYS_OUT = r"make|copy|use that ucvgl|choose"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("areas") / "area"
    make_index(folder)
    return folder


@pytest.fixture
def area(whole, tmp_path):
    """A copy to break."""
    return shutil.copytree(whole, tmp_path / "area")


def refused(folder, words):
    with pytest.raises(ValueError, match=words) as caught:
        load(folder)
    told = str(caught.value)
    assert str(folder) in told or "numbers" in told
    assert "Traceback" not in told and len(told) < 700
    return told


def test_an_index_is_what_was_written(whole):
    index, model = open_index(str(whole))
    assert is_index(str(whole)) and not is_index(str(whole.parent))
    assert len(index) == 6 and index.located and index.manifest.kind == "flat"
    assert model == (whole / MODEL).read_bytes()
    assert index.places[1].tolist() == [41.001, 1.998]
    score, row = index.search(index.vectors(), 1)
    assert row[:, 0].tolist() == list(range(6)) and np.allclose(score, 1, atol=1e-5)
    assert sorted(path.name for path in whole.iterdir()) == sorted([*FILES, MANIFEST])


def test_more_tiles_than_there_are_cannot_be_asked_for(whole):
    index, _ = open_index(str(whole))
    assert index.search(index.vectors()[:1], 100)[1].shape == (1, 6)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off(area, name, share):
    data = (area / name).read_bytes()
    (area / name).write_bytes(data[: int(share * len(data))])
    refused(area, f"{name} has .* bytes, the manifest says {len(data)}: it was cut off or swapped; copy the whole")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.9999])
@pytest.mark.parametrize("name", FILES)
def test_a_file_with_one_wrong_byte(area, name, share):
    data = bytearray((area / name).read_bytes())
    data[int(share * len(data))] ^= 0xFF
    (area / name).write_bytes(bytes(data))
    refused(area, rf"{name} is not the file that the manifest describes \(its digest differs\)")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing(area, name):
    (area / name).unlink()
    refused(area, f"{name} cannot be read .*; copy the whole index, or make it anew")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", FILES)
def test_files_that_were_swapped_with_a_manifest_that_vouches_for_them(area, name, other):
    if name != other:
        replace_file(area, name, (area / other).read_bytes())
        refused(area, f"{name}.*(no Parquet|lacks the columns|no faiss index|does not hold (the encoders|weights))")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("data", [b"", b"\0", b"PK\x03\x04", b"PAR1PAR1", b"IxFI" + b"\xff" * 60, b"\x80\x04."])
def test_garbage_that_the_manifest_vouches_for(area, name, data):
    replace_file(area, name, data)
    refused(area, "(no Parquet|lacks the columns|no faiss index|does not hold (the encoders|weights))")


@pytest.mark.parametrize("what", [("slope", "20.0", "20.5"), ("from_above", "false", "true"), ("tiles", "6", "5")])
def test_a_manifest_that_was_changed_does_not_fit_its_seal(area, what):
    """A calibration or a projection that changed would give other answers without a word."""
    name, before, after = what
    text = (area / MANIFEST).read_text()
    changed = text.replace(f'"{name}": {before}', f'"{name}": {after}')
    assert changed != text
    (area / MANIFEST).write_text(changed)
    refused(area, "manifest.json does not fit its seal: it was damaged or changed; copy the whole index again, or make")


def test_a_manifest_without_its_seal_is_damaged_unless_it_is_older_than_seals(area):
    content = json.loads((area / MANIFEST).read_text())
    del content["seal"]
    (area / MANIFEST).write_text(json.dumps(content))
    refused(area, "does not fit its seal")
    (area / MANIFEST).write_text(json.dumps(content | {"version": 1}))
    assert len(load(area).index) == 6


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9])
def test_a_manifest_that_was_cut_off(area, share):
    data = (area / MANIFEST).read_bytes()
    (area / MANIFEST).write_bytes(data[: int(share * len(data))])
    refused(area, "manifest.json is not JSON .*; it is damaged: make the index anew")


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "{}", '{"format": "other"}', '{"format": 3}'])
def test_a_manifest_of_something_else(area, text):
    (area / MANIFEST).write_text(text)
    refused(area, "is not the manifest of an index: its `format` is not 'ucvgl-index'")


def test_a_manifest_nested_without_end(area):
    (area / MANIFEST).write_text("[" * 100_000)
    refused(area, "is not JSON")


@pytest.mark.parametrize("version", [0, 7, 99, "1", None, -1, 1.5, [1], True])
def test_an_index_of_another_version(area, version):
    change_manifest(area, version=version)
    refused(area, r"is an index of version .*, written by ucvgl .*; ucvgl .* reads version 1 to 6: use that ucvgl")


WRONG = {
    "tiles": [0, -1, "6", 6.5, True, None, [6]],
    "dimension": [0, -4, "32", None],
    "kind": ["annoy", "", 3, None, "../../etc/passwd"],
    "query_size": ["16x64", [16.5, 64], {}, None],
    "reference_size": [7, None],
    "projection": [[], {"fov": 3}, None, "x"],
    "calibration": [[], {"slope": 1}, "sure"],
    "presence": [[], {"slope": 1}, "here"],
    "heading": ["north", 0, []],
    "files": [[], {}, None, {"model.pt": 3}],
    "ucvgl": [3, None],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_field_of_the_manifest_that_cannot_be(area, field, value):
    change_manifest(area, **{field: value})
    refused(area, "manifest.json.*(damaged|does not list)")


HOSTILE = ["../../../etc/passwd", "/etc/passwd", "a\0b", "model.pt/../x", "CON", "\N{SNOWMAN}" * 300]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_names_other_files(area, name):
    content = json.loads((area / MANIFEST).read_text())
    change_manifest(area, files={**content["files"], name: content["files"][MODEL]})
    refused(area, "does not list model.pt, tiles.parquet and vectors.faiss")


def test_an_unknown_field_is_not_passed_over(area):
    change_manifest(area, more="x")
    refused(area, "manifest.json: more: .*; it is damaged")


def parquet(**columns):
    content = BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


IDS, URIS = [f"id{row}" for row in range(6)], [f"/t/{row}.png" for row in range(6)]
TABLES = {
    "lacks the columns uri": {"id": IDS},
    "lacks the columns id": {"uri": URIS},
    "lacks the columns lon": {"id": IDS, "uri": URIS, "lat": [1.0] * 6},
    "column id holds int64, not texts": {"id": list(range(6)), "uri": URIS},
    "column uri has 1 empty rows": {"id": IDS, "uri": [*URIS[:5], None]},
    "repeats ids": {"id": ["a"] * 6, "uri": URIS},
    "lists 5 tiles, the manifest says 6": {"id": IDS[:5], "uri": URIS[:5]},
    "6 tiles have a lat outside": {"id": IDS, "uri": URIS, "lat": [91.0] * 6, "lon": [0.0] * 6},
    "1 tiles have a lon outside": {"id": IDS, "uri": URIS, "lat": [0.0] * 6, "lon": [0.0] * 5 + [float("nan")]},
    "column lat holds string, not numbers": {"id": IDS, "uri": URIS, "lat": ["x"] * 6, "lon": [0.0] * 6},
}


@pytest.mark.parametrize("words", TABLES)
def test_a_list_of_tiles_that_cannot_be(area, words):
    replace_file(area, TILES, parquet(**TABLES[words]))
    refused(area, words)


@pytest.mark.parametrize(("count", "dimension"), [(5, 32), (7, 32), (6, 16), (6, 64), (0, 32)])
def test_vectors_of_another_index(area, count, dimension):
    vectors = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = nearest.build("flat", lambda: iter([vectors]), count=count, dimension=dimension)
    replace_file(area, VECTORS, nearest.to_bytes(made))
    refused(area, f"holds {count} vectors of {dimension} numbers, the manifest says 6 of 32: .*; make the index anew")


def test_vectors_that_are_compared_by_distance(area):
    made = faiss.IndexFlatL2(32)
    made.add(np.eye(6, 32, dtype=np.float32))
    replace_file(area, VECTORS, nearest.to_bytes(made))
    refused(area, "is a IndexFlatL2, not one of IndexFlatIP")


def test_encoders_of_another_index(area, tmp_path):
    change_manifest(area, query_size=[32, 64])
    refused(area, r"the encoders see images of \[\[16, 64\], \[16, 16\]\]")


def test_a_folder_without_manifest_is_named_with_the_command(tmp_path):
    with pytest.raises(ValueError, match="no manifest.json, which is written last; make one, or finish"):
        read_manifest(str(tmp_path))
