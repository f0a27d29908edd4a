"""What is missing, added, cut off or damaged in a finished artefact is noticed when it is read."""

from __future__ import annotations

import json
import os

import pytest

from ucvgl.files.parts import DONE, check_all, check_part, in_order, list_parts, numbered_parts, refuse_added

FILES = {"model.pt": b"weights", "train/part-00000.npy": b"one", "train/part-00001.npy": b"two", "train/note": b""}


@pytest.fixture
def stage(tmp_path):
    """A finished stage of a run."""
    folder = tmp_path / "4_cold_start"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / DONE).write_text(json.dumps({"parts": list_parts(folder)}))
    return folder


def read_all(stage):
    check_all(stage)
    for name in FILES:
        check_part(stage / name)
        check_part(stage / name, (stage / name).read_bytes())
    return numbered_parts(stage / "train", "part-*.npy")


def test_what_was_made_is_read(stage):
    assert [path.name for path in read_all(stage)] == ["part-00000.npy", "part-00001.npy"]
    assert json.loads((stage / DONE).read_text())["parts"].keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_part_that_is_missing(stage, name):
    (stage / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing; copy the run again .*--redo 4_cold_start"):
        check_all(stage)


@pytest.mark.parametrize("name", FILES)
def test_a_part_that_was_cut_off_or_grew(stage, name):
    for data in (FILES[name] + b"x", FILES[name][:-1]):
        if data != FILES[name]:
            (stage / name).write_bytes(data)
            with pytest.raises(ValueError, match=f"{name} has {len(data)} bytes, but 4_cold_start wrote"):
                check_all(stage)


@pytest.mark.parametrize("name", [name for name, data in FILES.items() if data])
def test_a_flipped_bit_is_noticed_by_every_reader_even_at_the_same_size(stage, name):
    """The file is new to this process, or has been read before."""
    for read_before in (False, True):
        if read_before:
            (stage / name).write_bytes(FILES[name])
            check_all(stage)
        data = bytearray(FILES[name])
        data[0] ^= 1
        (stage / name).write_bytes(bytes(data))
        os.utime(stage / name, ns=(read_before, 10**18 + read_before))  # clocks of file systems are coarse
        for look in (lambda: check_all(stage), lambda: check_part(stage / name)):
            with pytest.raises(ValueError, match=rf"{name} is not what 4_cold_start made \(its digest differs\)"):
                look()
        with pytest.raises(ValueError, match="its digest differs"):
            check_part(stage / name, bytes(data))


def test_a_shard_deleted_from_the_middle_or_the_end_or_added_is_noticed_where_shards_are_listed(stage):
    (stage / "train" / "part-00000.npy").rename(stage / "kept")
    with pytest.raises(ValueError, match="part-00000.npy is missing"):
        numbered_parts(stage / "train", "part-*.npy")
    (stage / "kept").rename(stage / "train" / "part-00000.npy")
    (stage / "train" / "part-00002.npy").write_bytes(b"three")
    with pytest.raises(ValueError, match="part-00002.npy was added later; move it away"):
        numbered_parts(stage / "train", "part-*.npy")
    (stage / "train" / "part-00002.npy").unlink()
    (stage / "train" / "part-00001.npy").unlink()
    with pytest.raises(ValueError, match="part-00001.npy is missing"):
        numbered_parts(stage / "train", "part-*.npy")


def test_a_file_that_was_added_is_refused_where_it_is_read_and_passed_over_elsewhere(stage):
    (stage / "notes.txt").write_text("mine")
    assert len(read_all(stage)) == 2
    with pytest.raises(ValueError, match="notes.txt is no part of .*4_cold_start: it was added later; move it away"):
        check_part(stage / "notes.txt")


def test_an_unfinished_stage_has_no_list_but_no_gap_either(stage):
    (stage / DONE).unlink()
    (stage / "model.pt").write_bytes(b"other")
    assert len(read_all(stage)) == 2
    (stage / "train" / "part-00000.npy").unlink()
    with pytest.raises(ValueError, match="train lacks its part 0, but has part-00001.npy"):
        numbered_parts(stage / "train", "part-*.npy")


def test_numbered_names_are_sorted_by_number(tmp_path):
    names = [f"round_{number:02d}" for number in (100, 99, 7, 1000, 10)]
    assert [path.name for path in in_order(tmp_path / name for name in names)] == [
        "round_07", "round_10", "round_99", "round_100", "round_1000"
    ]  # fmt: skip


def test_every_listed_part_is_flushed_to_the_disk(stage, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    list_parts(stage)
    assert sorted(flushed) == sorted(str(stage / name) for name in FILES)


def test_a_file_that_the_artefact_did_not_make_is_found_before_it_is_deleted(stage):
    refuse_added(stage)
    (stage / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="notes.txt was not made by this run, and would be deleted with its folder"):
        refuse_added(stage)
