"""Nothing of somebody else is deleted or overwritten, and only the same is gone on with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ucvgl.files.owned import BEGUN, begin, contents_of, refuse_foreign, refuse_foreign_file, refuse_links_and_pipes
from ucvgl.images.storage import write

WANTED = {"model": "0f", "k": 5}


def begun(where, **changes):
    begin(str(where), WANTED | changes, flag="--out")


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_place_is_claimed_and_the_same_goes_on(tmp_path, made):
    where = tmp_path / "area"
    if made:
        where.mkdir()
    begun(where)
    (where / "parts").mkdir()
    begun(where)
    assert sorted(os.listdir(where)) == [BEGUN, "parts"]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "parts/part-00000.parquet", "tiles.parquet", "link"])
def test_a_folder_that_holds_anything_else_is_refused_and_stays_as_it_is(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    if name == "link":
        (tmp_path / name).symlink_to("nowhere")
    else:
        (tmp_path / name).write_text("precious")
    with pytest.raises(ValueError, match=rf"{tmp_path} is not empty \({name.partition('/')[0]}\).*with --out"):
        begun(tmp_path)
    assert os.listdir(tmp_path) == [name.partition("/")[0]]


@pytest.mark.parametrize(("change", "words"), [({"k": 6}, "k"), ({"model": "1a", "k": 6}, "model and k")])
def test_something_else_that_was_begun_there_is_refused(tmp_path, change, words):
    begun(tmp_path)
    with pytest.raises(ValueError, match=f"was begun with other {words}; choose another folder with --out, or delete"):
        begun(tmp_path, **change)


@pytest.mark.parametrize("text", ["", "[]", "3", "mine"])
def test_a_file_of_that_name_that_says_something_else_is_refused(tmp_path, text):
    (tmp_path / BEGUN).write_text(text)
    with pytest.raises(ValueError, match="begun.json does not say what|was begun with other"):
        begun(tmp_path)


def test_a_folder_in_which_another_begins_at_this_moment_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = Path.iterdir

    def begun_meanwhile(folder: Path):
        (folder / ".lock").touch()
        return looked(folder)

    monkeypatch.setattr(Path, "iterdir", begun_meanwhile)
    refuse_foreign(tmp_path, (".lock",), "a run")


def test_a_place_in_a_bucket_that_holds_objects_is_refused(bucket):
    write(f"s3://{bucket}/data/photo.jpg", b"precious")
    with pytest.raises(ValueError, match=r"data is not empty \(photo.jpg\)"):
        begun(f"s3://{bucket}/data")
    begun(f"s3://{bucket}/area")
    begun(f"s3://{bucket}/area")


def test_a_list_of_images_differs_when_one_of_them_was_changed(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        Path(path).write_text("1")
        os.utime(path, (1, 1))
    before = contents_of(paths)
    assert contents_of(paths) == before != contents_of(paths[::-1])
    os.utime(paths[1], (1, 2))
    assert contents_of(paths) != before
    assert contents_of(["s3://b/a", *paths]) != contents_of(["s3://b/b", *paths])


def test_a_folder_is_ours_by_what_only_we_leave_there(tmp_path):
    refuse_foreign(tmp_path / "none", ("ours",), "a run")
    refuse_foreign(tmp_path, ("ours",), "a run")
    (tmp_path / "theirs").touch()
    with pytest.raises(ValueError, match=rf"{tmp_path} is not empty \(theirs\), and is not a run"):
        refuse_foreign(tmp_path, ("ours",), "a run")
    (tmp_path / "ours").touch()
    refuse_foreign(tmp_path, ("ours",), "a run")


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path):
    refuse_foreign_file(tmp_path / "none")
    (tmp_path / "page.html").write_text('<meta name="generator" content="ucvgl">')
    refuse_foreign_file(tmp_path / "page.html")
    (tmp_path / "thesis.html").write_text("years of work with ucvgl")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("thesis.html", "folder", "pipe"):
        with pytest.raises(ValueError, match=f"{name} is there already and was not made by ucvgl; choose another name"):
            refuse_foreign_file(tmp_path / name)


def test_links_are_found_at_any_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    refuse_links_and_pipes(tmp_path)
    (tmp_path / "a" / "b" / "c").symlink_to("nowhere")
    with pytest.raises(ValueError, match="a/b/c is a link to nowhere"):
        refuse_links_and_pipes(tmp_path)
    (tmp_path / "a" / "b" / "c").unlink()
    os.mkfifo(tmp_path / "a" / "b" / "d")
    with pytest.raises(ValueError, match="a/b/d is a pipe, a socket or a device"):
        refuse_links_and_pipes(tmp_path)
