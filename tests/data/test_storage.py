import pytest

from ucvgl.data.storage import child, read, write


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/a/b", "/a/b/c.json"),
        ("/a/b/", "/a/b/c.json"),
        ("what?/b", "what?/b/c.json"),
        ("s3://bucket/area", "s3://bucket/area/c.json"),
        ("s3://bucket/area/?region=x&scheme=http", "s3://bucket/area/c.json?region=x&scheme=http"),
    ],
)
def test_a_child_comes_before_the_options(uri, expected):
    assert child(uri, "c.json") == expected


def test_a_file_is_written_whole_and_folders_are_made(tmp_path):
    target = str(tmp_path / "new" / "deep" / "a.bin")
    write(target, b"one")
    write(f"file://{target}", b"two")
    assert read(target) == b"two"
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == ["a.bin"]
