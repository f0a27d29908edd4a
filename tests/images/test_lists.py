"""A list that cannot be read is named, with the line."""

from pathlib import Path

import pytest

from ucvgl.images.listing import by_name, lines_of, numbers, open_bytes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,lat\né,1\n".encode("latin-1"), "a.csv is not UTF-8 at byte 9; save it as UTF-8"),
        (b"file,lat\nb,1,2\n", "a.csv, row 2: 3 columns where the first line has 2"),
        (b'file\n"' + b"x" * 200_000, "a.csv is no CSV file: field larger than field limit"),
    ],
)
def test_a_list_that_is_none_is_named_with_its_line(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        open_bytes(str(tmp_path), "a.csv")


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="a.txt is not UTF-8 at byte 0"):
        lines_of(str(tmp_path), "a.txt")


@pytest.mark.parametrize("texts", [("1", "2 (1)"), ("lat", "lon"), ("nan", "1"), ("", "1")])
def test_what_is_no_number_is_told_with_its_place(texts: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^all.csv, line 3: '.*' where (finite )?numbers were expected"):
        numbers("all.csv, line 3", *texts)


def test_a_name_is_the_same_however_its_accents_are_written() -> None:
    assert by_name(["Zu\u0308rich.jpg"]).keys() == by_name(["Z\u00fcrich.jpg"]).keys()
