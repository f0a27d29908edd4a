"""What holds in every store that is no S3: Google's and Azure's, each against an emulator (`conftest.py`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ucvgl.files import cached
from ucvgl.files.tree import Tree, digest
from ucvgl.images.folder import read_catalog
from ucvgl.images.storage import (
    copy_in,
    copy_out,
    delete,
    delete_folder,
    exists,
    list_files,
    list_folders,
    open_there,
    peek,
    read,
    read_ahead,
    write,
)
from ucvgl.images.store_copy import copy_there
from ucvgl.images.uris import join
from ucvgl.run.mirror import Mirror


def test_what_is_written_is_read_whatever_its_name(place):
    names = {"a": b"one", "b/empty": b"", "b/odd #%?é ü+&.txt": b"odd", "b/c/deep": b"x" * 100}
    for name, data in names.items():
        write(join(place, name), b"before")
        write(join(place, name), data)
    assert {name: read(join(place, name)) for name in names} == names
    assert [result() for result in read_ahead(join(place, name) for name in names)] == list(names.values())
    assert peek(join(place, "b/c/deep"), lambda file: file.read(3)) == b"xxx"
    assert exists(join(place, "a")) and not exists(join(place, "b")) and not exists(join(place, "none"))
    assert list_files(place) == {name: len(data) for name, data in names.items()}
    assert list_files(place, recursive=False) == {"a": 3}
    assert list_folders(place) == {"b"}
    delete(join(place, "a"))
    delete(join(place, "a"))
    with pytest.raises(FileNotFoundError):
        read(join(place, "a"))
    for call in (list_files, list_folders):
        with pytest.raises(FileNotFoundError):
            call(join(place, "none"))


def test_images_below_folders_are_found(place):
    for name in ("query/a/1.jpg", "query/b/2.jpg", "reference/c/d/3.jpg"):
        write(join(place, name), b"not looked at")
    catalog = read_catalog(place, "train", queries="query", references="reference")
    assert [len(catalog.queries), len(catalog.references)] == [2, 1]


def test_a_large_file_comes_and_goes_and_is_copied_there(place, tmp_path):
    data = np.random.default_rng(0).bytes(23_000_000)
    (tmp_path / "large").write_bytes(data)
    assert copy_out(tmp_path / "large", join(place, "large"))
    with open_there(join(place, "large")) as file:
        for start in (0, 11_999_990, 22_999_000):
            assert file.read_at(1000, start) == data[start : start + 1000]
    copy_there(join(place, "large"), join(place, "copy/large"), len(data))
    copy_in(join(place, "copy/large"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    with pytest.raises(FileNotFoundError):
        copy_there(join(place, "none"), join(place, "copy/none"), 1)


def test_a_folder_is_deleted_by_two_at_once(place):
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: write(join(place, f"{k % 3}/{k}"), b"x"), range(60)))
        write(f"{place}-other", b"stays")
        list(pool.map(delete_folder, [place, place, place]))
    assert not exists(join(place, "0/0"))
    with pytest.raises(FileNotFoundError):
        list_files(place)
    assert read(f"{place}-other") == b"stays"
    delete_folder(place)


def test_a_run_is_copied_and_fetched_and_worked_on_elsewhere(place, tmp_path, monkeypatch):
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path / "cache"))
    one, two, worker = tmp_path / "one", tmp_path / "two", tmp_path / "cache" / "worker"
    for folder in (one, two):
        folder.mkdir()
    with Mirror(one, place, every_s=1e9) as mirror:
        (one / "1_a.partial").mkdir()
        (one / "1_a.partial" / "BEGUN.json").write_text("{}")
        (one / "1_a.partial" / "part.npy").write_bytes(b"x" * 1000)
        mirror.tree.share()
        tree = cached.attach(Tree(worker, place, own=False, eager=True))
        try:
            assert cached.here(worker / "1_a.partial" / "part.npy").read_bytes() == b"x" * 1000
            made = worker / "1_a.partial" / "made.npy"
            made.parent.mkdir(exist_ok=True)
            made.write_bytes(b"y" * 10)
            tree.upload(made, made)
            assert mirror.tree.elsewhere(one / "1_a.partial") == {"made.npy": (10, digest(made))}
            tree.forget(made)
            assert mirror.tree.elsewhere(one / "1_a.partial") == {}
        finally:
            cached.detach(tree)
        (one / "1_a.partial" / "DONE.json").write_text("{}")
        (one / "1_a.partial").rename(one / "1_a")
    Mirror(two, place).fetch()
    assert (two / "1_a" / "DONE.json").exists()
    assert list_folders(place) == {"1_a"}
