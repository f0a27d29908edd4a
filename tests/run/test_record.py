"""Records are read back as written, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ucvgl.run.record import Record, as_json_holds, digest, read_record, write_record


def test_a_record_comes_back_as_json_holds_it(tmp_path: Path) -> None:
    record = Record(settings={"a.b": 0.1}, inputs={"1_a": "0f"}, summary={"rows": np.int64(3)}, seconds=1.5)
    write_record(tmp_path / "DONE.json", record)
    assert read_record(tmp_path / "DONE.json") == record
    assert [file.name for file in tmp_path.iterdir()] == ["DONE.json"]


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "DONE.json") is None


def test_a_record_of_another_version_is_refused_with_the_unknown_fields(tmp_path: Path) -> None:
    file = tmp_path / "DONE.json"
    file.write_text(json.dumps({"settings": {}, "inputs": {}, "shards": 3, "ucvgl": "9.0"}))
    with pytest.raises(ValueError) as caught:
        read_record(file)
    assert str(caught.value).startswith(f"{file} was written by ucvgl 9.0 with fields that ucvgl ")
    assert str(caught.value).endswith("(shards); go on with that version, or start a new run with --run NAME")


NESTED, LONG = "[" * 100_000, '{"a": ' + "9" * 5000 + "}"


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"settings": {}}', "3", NESTED, LONG])
def test_a_broken_record_is_refused_with_the_way_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "3_translate" / "DONE.json"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match=f"is not a record of a stage .*; delete {file.parent} to have it"):
        read_record(file)


def test_settings_compare_as_json_holds_them() -> None:
    assert as_json_holds({"a": (1, 2), "b": np.float64(0.5), "c": Path("x")}) == {
        "a": [1, 2],
        "b": 0.5,
        "c": "x",
    }


def test_a_digest_tells_contents_apart(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in "123")
    for file, text in ((one, "a"), (two, "a"), (three, "b")):
        file.write_text(text)
    assert digest(one) == digest(two) != digest(three)
