"""What is no file, or far larger than any of its kind, is refused and not waited for."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.index.areas import make_index, make_run
from ucvgl.commands.invocation import resolve
from ucvgl.files.plain import NotPlain, json_object, load_numbers, read_plain
from ucvgl.index.localizer import load
from ucvgl.index.tiles import list_tiles
from ucvgl.run.record import read_record
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.dotted import Mistakes
from ucvgl.settings.experiment import Experiment

HUGE = 3_000_000_000


class Code:
    def __init__(self, into: Path) -> None:
        self.into = into

    def __reduce__(self):
        return Path.touch, (self.into,)


@pytest.mark.parametrize("how", [{}, {"mmap_mode": "r"}])
def test_an_array_of_objects_runs_no_code_and_nobody_is_told_how_to_run_it(tmp_path: Path, how: dict) -> None:
    code, path = Code(tmp_path / "ran"), tmp_path / "part-00000.npy"
    np.save(path, np.array([code], object), allow_pickle=True)
    for content in (path.read_bytes(), pickle.dumps(code), b"", path.read_bytes()[:20]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="part-00000.npy is no array of plain numbers that can be read; copy it"):
            load_numbers(path, **how)
    assert not (tmp_path / "ran").exists()
    np.save(path, np.arange(3))
    assert load_numbers(path, **how).tolist() == [0, 1, 2]


def test_a_small_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_plain(tmp_path / "file", 3) == b"abc"
    for path, words in ((tmp_path / "file", "it has 3 bytes, more than 2"), (tmp_path, "no regular file")):
        with pytest.raises(NotPlain, match=words):
            read_plain(path, 2)


@pytest.mark.parametrize("name", ["5_curriculum/model.pt", "5_curriculum/DONE.json", "metrics.jsonl"])
def test_a_pipe_in_a_run_is_told_of_and_not_waited_for(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    for use in (load, lambda run: RunDir(run, Experiment()).lock()):
        with pytest.raises(ValueError, match=f"{Path(name).name} is a pipe, a socket or a device"):
            use(run)


def test_a_pipe_in_place_of_a_record_or_a_list_is_told_of(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "DONE.json")
    with pytest.raises(ValueError, match=r"DONE.json is not a record of a stage \(it is no regular file\)"):
        read_record(tmp_path / "DONE.json")
    os.mkfifo(tmp_path / "tiles.parquet")
    (tmp_path / "DONE.json").unlink()
    with pytest.raises(ValueError, match=r"tiles.parquet cannot be read \(it is no regular file\); give a folder"):
        list_tiles(str(tmp_path / "tiles.parquet"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin"])
def test_a_device_is_no_file_of_settings(device: str) -> None:
    with pytest.raises(Mistakes, match=f"{device} cannot be read: it is no regular file"):
        resolve(["tiny", "--config", device])


@pytest.mark.parametrize("name", ["manifest.json", "model.pt", "tiles.parquet"])
def test_a_sparse_file_in_an_index_is_not_read(name: str, tmp_path: Path) -> None:
    make_index(tmp_path / "area")
    os.truncate(tmp_path / "area" / name, HUGE)
    with pytest.raises(ValueError, match=f"{name} cannot be read .it has 3,000 MB, more than"):
        load(tmp_path / "area")


@pytest.mark.parametrize("name", ["config.yaml", "5_curriculum/model.pt"])
def test_a_sparse_file_in_a_run_is_not_read(name: str, tmp_path: Path) -> None:
    os.truncate(make_run(tmp_path / "run") / name, HUGE)
    with pytest.raises(ValueError, match=f"{Path(name).name} .*(more than 1,000,000|, but 5_curriculum wrote)"):
        load(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a"'])
def test_what_is_no_json_object_is_told_with_its_name(text: str) -> None:
    with pytest.raises(NotPlain, match=r"^recall.json is damaged: it (is|holds) no JSON.*; copy it again"):
        json_object(text, "recall.json")
    assert json_object('{"a": [1]}', "recall.json") == {"a": [1]}
