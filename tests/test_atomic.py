"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ucvgl.atomic import array_fits, copy_whole, whole, write_array, write_whole

DIES = """
import os, sys
from pathlib import Path
from ucvgl.atomic import whole
with whole(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    os._exit(9)
"""


def test_a_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "new" / "folder" / "a.npy"
    with whole(path) as aside:
        aside.write_text("all")
        assert not path.exists() and list(path.parent.glob("*.npy")) == []
    assert path.read_text() == "all" and os.listdir(path.parent) == ["a.npy"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    write_whole(path, "old")
    with pytest.raises(OSError, match="full"), whole(path) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_a_process_that_dies_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    write_whole(path, "old")
    assert subprocess.run([sys.executable, "-c", DIES, str(path)]).returncode == 9
    assert path.read_text() == "old"


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_is_after(tmp_path, monkeypatch):
    """Else a machine that loses its power leaves an empty file under the name."""
    path, told = tmp_path / "a", []
    real = os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: told.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(os, "replace", lambda one, other: (told.append("named"), real(one, other)))
    write_whole(path, "all")
    assert told[0].startswith(str(tmp_path / ".a.")) and told[1:] == ["named", str(tmp_path)]


def test_processes_of_one_number_on_two_machines_write_one_file_one_after_the_other(tmp_path):
    with whole(tmp_path / "a") as one, whole(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
        assert one.read_text() == "one"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_link_points_to_stays_as_it_is(tmp_path):
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "a").symlink_to(tmp_path / "theirs")
    write_whole(tmp_path / "a", "ours")
    assert (tmp_path / "theirs").read_text() == "precious"
    assert (tmp_path / "a").read_text() == "ours" and not (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("array", [np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros((0, 5)), np.arange(3)])
def test_an_array_is_read_as_any_other_and_every_flipped_bit_of_its_numbers_is_noticed(tmp_path, array):
    path = tmp_path / "vectors.npy"
    write_array(path, array)
    for mode in (None, "r"):
        np.testing.assert_array_equal(np.load(path, mmap_mode=mode), array)
    content = path.read_bytes()
    assert array_fits(path) and content.endswith(array.tobytes())
    for at in range(len(content) - array.nbytes, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not array_fits(path)
    np.save(path, array)  # as older versions did
    assert array_fits(path)
    for cut in (b"", bytes(len(content)), content[:20], content[: len(content) // 2]):  # as a power loss leaves it
        path.write_bytes(cut)
        assert not array_fits(path)


def test_a_copy_that_finds_no_room_leaves_nothing_to_go_on_from(tmp_path, monkeypatch):
    def half(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a").write_text("whole")
    with monkeypatch.context() as patch, pytest.raises(OSError) as caught:
        patch.setattr(shutil, "copyfile", half)
        copy_whole(tmp_path / "a", tmp_path / "b")
    assert caught.value.filename == str(tmp_path / "b") and os.listdir(tmp_path) == ["a"]
    copy_whole(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "whole"


def test_no_stage_copies_a_file_in_parts():
    """Copied by half when a disk was full, weights were told to be damaged, and the same command went on no more."""
    for file in (Path(__file__).parents[1] / "ucvgl" / "stages").glob("*.py"):
        assert not re.search(r"shutil\.copy", file.read_text()), file
