"""Every real folder is read once, and what is left out is counted and named."""

from __future__ import annotations

import os

import pytest

from ucvgl.files.printable import printable
from ucvgl.images.folder import read_catalog
from ucvgl.images.storage import list_folders
from ucvgl.images.walk import told, walk

ODD = "its name is not UTF-8, or holds a control character"


@pytest.fixture
def tree(tmp_path):
    for name in ("panorama/a.jpg", "panorama/east/b.jpg", "satellite/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_without_links_it_is_what_the_standard_library_finds(tree):
    found = walk(str(tree))
    expected = {os.path.relpath(os.path.join(home, name), tree) for home, _, names in os.walk(tree) for name in names}
    assert found.files == dict.fromkeys(expected, 1) and not found.left_out
    assert walk(str(tree / "panorama"), recursive=False).files == {"a.jpg": 1}


@pytest.mark.parametrize("to", ["..", "../..", ".", "east", "../panorama", "/"])
def test_a_link_to_a_folder_that_is_read_or_lies_above_multiplies_nothing(tree, to):
    (tree / "panorama" / "link").symlink_to(to)
    found = walk(str(tree / "panorama"))
    assert sorted(found.files) == ["a.jpg", "east/b.jpg"]
    assert list(found.left_out) == ["link"] and found.left_out["link"].startswith("a link to ")


def test_two_links_that_lead_to_each_other_end(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "d.jpg").write_bytes(b"x")
    (other / "back").symlink_to(tree / "panorama")
    (tree / "panorama" / "out").symlink_to(other)
    found = walk(str(tree / "panorama"))
    assert sorted(found.files) == ["a.jpg", "east/b.jpg", "out/d.jpg"]
    assert list(found.left_out) == ["out/back"]


def test_of_two_ways_to_a_folder_the_one_without_a_link_counts(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "d.jpg").write_bytes(b"x")
    for name in ("0_first", "z_last"):
        (tree / "panorama" / name).symlink_to(other)
    (tree / "panorama" / "0_east").symlink_to("east")
    found = walk(str(tree / "panorama"))
    assert sorted(found.files) == ["0_first/d.jpg", "a.jpg", "east/b.jpg"]
    assert sorted(found.left_out) == ["0_east", "z_last"]


def test_links_to_files_count_once_each_and_broken_ones_are_named(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "d.jpg"
    other.write_bytes(b"xyz")
    for name, to in (("l1.jpg", other), ("l2.jpg", other), ("l3.jpg", "a.jpg"), ("l4.jpg", "nowhere"), ("l5", "l5")):
        (tree / "panorama" / name).symlink_to(to)
    os.mkfifo(tree / "panorama" / "pipe.jpg")
    found = walk(str(tree / "panorama"))
    assert found.files == {"a.jpg": 1, "east/b.jpg": 1, "l1.jpg": 3}
    assert sorted(found.left_out) == ["l2.jpg", "l3.jpg", "l4.jpg", "l5", "pipe.jpg"]
    assert told(found.left_out, most=1).startswith("5 left out (l2.jpg: a link to what is read already")


def test_a_folder_itself_may_be_a_link(tree):
    (tree / "view").symlink_to("panorama")
    assert sorted(walk(str(tree / "view")).files) == ["a.jpg", "east/b.jpg"]


def test_a_catalog_counts_and_names_what_its_folders_leave_out(tree):
    (tree / "panorama" / "up").symlink_to("..")
    (tree / "satellite" / "gone.png").symlink_to("/nowhere.png")
    catalog = read_catalog(str(tree), "train")
    assert (catalog.queries.num_rows, catalog.references.num_rows) == (2, 1)
    assert catalog.missing == (
        "a link to a folder above: panorama/up",
        "a link that leads nowhere (No such file or directory): satellite/gone.png",
    )


def test_a_folder_of_nothing_but_broken_links_says_so(tree):
    (tree / "satellite" / "c.png").unlink()
    (tree / "satellite" / "gone.png").symlink_to("/nowhere.png")
    with pytest.raises(ValueError, match=r"among its 0 files; 1 are left out \(a link that leads nowhere"):
        read_catalog(str(tree), "train")


@pytest.mark.parametrize("odd", ["new\nline", "a\x1b[2Jb", "a\rb", "gpj.\u202eevil", "a\x9bb"])
def test_a_name_that_would_forge_a_line_on_a_terminal_costs_only_itself(odd, tmp_path):
    (tmp_path / odd).mkdir()
    for name in ("good \u202f1.jpg", f"{odd}.jpg", f"{odd}/a.jpg"):
        (tmp_path / name).write_bytes(b".")
    found = walk(str(tmp_path))
    assert list(found.files) == ["good \u202f1.jpg"] and set(found.left_out.values()) == {ODD}
    assert len(found.left_out) == 2 and all(printable(name) == name for name in found.left_out)


def test_a_tree_that_is_too_deep_to_walk_is_left_out_from_there(tmp_path):
    deep = tmp_path
    for _ in range(150):
        deep /= "d"
        deep.mkdir()
    (deep / "a.jpg").write_bytes(b".")
    (tmp_path / "a.jpg").write_bytes(b".")
    found = walk(str(tmp_path))
    assert list(found.files) == ["a.jpg"] and list(found.left_out.values()) == ["it lies more than 100 folders deep"]


def test_what_goes_while_a_folder_is_read_takes_nothing_else_along(tmp_path, monkeypatch):
    for name in ("a.jpg", "b/c.jpg", "d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b".")
    read = os.scandir

    def late(folder):
        entries = list(read(folder))
        if (tmp_path / "b").exists():
            for name in ("d.jpg", "b/c.jpg"):
                (tmp_path / name).unlink()
            (tmp_path / "b").rmdir()
        return entries

    monkeypatch.setattr(os, "scandir", late)
    assert list(walk(str(tmp_path)).files) == ["a.jpg"]


def test_a_name_that_is_not_utf8_costs_only_itself(tmp_path):
    for name in (b"caf\xc3\xa9.jpg", b"caf\xe9.jpg", b"r\xe9gion/a.jpg", b"good/b.jpg"):
        path = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b".")
    found = walk(str(tmp_path))
    assert sorted(found.files) == ["café.jpg", "good/b.jpg"]
    assert found.left_out == dict.fromkeys(["caf\\xe9.jpg", "r\\xe9gion"], ODD)
    assert list_folders(str(tmp_path)) == {"good"}


def test_folders_that_links_lead_to_are_folders_and_links_to_nowhere_or_themselves_are_none(tmp_path):
    (tmp_path / "real").mkdir()
    for name, leads_to in (("link", "real"), ("broken", "nothing"), ("loop", "loop")):
        (tmp_path / name).symlink_to(leads_to)
    assert list_folders(str(tmp_path)) == {"real", "link"}
