import pytest

from ucvgl.images.listing import (
    Views,
    address,
    by_name,
    find_home,
    images_below,
    images_in,
    lines_of,
    name_of,
    opaque_id,
    pile,
    present,
)


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("bingmap/19/0000001.jpg", "0000001"),
        ("bingmap\\19\\0000001.jpg", "0000001"),
        ("a/pano,41.87,-87.65,.jpg", "pano,41.87,-87.65,"),
        ("satellite_41.87_-87.65.png", "satellite_41.87_-87.65"),
        ("satellite_41.87_-87.65", "satellite_41.87_-87.65"),  # a list may leave the ending out
        (" x.JPEG\t", "x"),
    ],
)
def test_a_name_is_that_of_the_file_without_folders_and_ending(path, name):
    assert name_of(path) == name


def test_of_equal_names_the_first_counts():
    assert by_name(["new/1.png", "old/1.jpg", "old/2.jpg"]) == {"1": "new/1.png", "2": "old/2.jpg"}


def test_images_directly_in_a_folder_or_anywhere_below_it(tmp_path):
    root = make(tmp_path, "a/1.jpg", "a/b/2.PNG", "a/note.txt", "a/._1.jpg", "c/3.jpg")
    assert images_in(root, "a", "absent", "c") == ["a/1.jpg", "c/3.jpg"]
    assert images_below(root, "a") == ["a/1.jpg", "a/b/2.PNG"]


def test_a_data_set_is_found_one_folder_deeper_too(tmp_path):
    root = make(tmp_path, "CVUSA/bingmap/19/1.jpg", "other/readme.txt")
    assert find_home(root, ("bingmap", "streetview")) == f"{root}/CVUSA"
    assert find_home(f"{root}/CVUSA", ("bingmap", "streetview")) == f"{root}/CVUSA"


def test_two_copies_in_one_folder_are_not_chosen_from(tmp_path):
    root = make(tmp_path, "new/bingmap/1.jpg", "old/bingmap/1.jpg")
    with pytest.raises(ValueError, match="holds several copies of the data set: new, old; name one of them"):
        find_home(root, ("bingmap",))


def test_the_options_of_a_bucket_stay_at_the_end_of_an_address():
    assert address("s3://b/set?region=x", "a/1.jpg") == "s3://b/set/a/1.jpg?region=x"
    assert address("/data/what?", "a.jpg") == "/data/what?/a.jpg"


def test_lines_of_a_text_from_any_system(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa b\r\n\r\nc d\r\n")
    assert lines_of(str(tmp_path), "list.txt") == ["a b", "c d"]


def test_a_pile_is_sorted_by_opaque_id_and_knows_some_places(tmp_path):
    paths = [f"v/{k}.jpg" for k in range(9)]
    table = pile("/root", paths, {"v/4.jpg": (1.5, 2.5)})
    rows = {row["uri"]: row for row in table.to_pylist()}
    assert table["id"].to_pylist() == sorted(opaque_id(path) for path in paths)
    assert (rows["/root/v/4.jpg"]["lat"], rows["/root/v/4.jpg"]["lon"]) == (1.5, 2.5)
    assert rows["/root/v/3.jpg"]["lat"] is None
    assert pile("/root", paths).column_names == ["id", "uri"]


def test_listed_names_that_are_not_there_are_told_by_their_usual_path():
    found, missing = present(["a", "b", "a", "c"], {"a": "x/a.png", "c": "x/c.jpg", "d": "x/d.jpg"}, "x/{}.jpg")
    assert found == {"a": "x/a.png", "c": "x/c.jpg"}
    assert missing == ["x/b.jpg"]


def test_a_view_of_which_nothing_is_there_is_refused_with_what_is_missing():
    views = Views("/data", {"a": "a.jpg"}, {}, ("tiles/a.jpg", "tiles/b.jpg"))
    message = r"/data holds none of the references of cvusa \(missing, 2 in all: tiles/a.jpg"
    with pytest.raises(ValueError, match=message):
        views.catalog("cvusa")
