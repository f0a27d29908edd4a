"""A list that cannot be read is named, with the line."""

import os
from pathlib import Path

import pytest

from ucvgl.images.csv_table import csv_columns
from ucvgl.images.decimals import decimal, position
from ucvgl.images.listing import by_name, is_file, lines_of


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,lat\né,1\n".encode("latin-1"), "a.csv is not UTF-8 at byte 9; save it as UTF-8"),
        (b"file,lat\nb,1,2\n", "a.csv, row 2: 3 columns where the first line has 2"),
        (b'file\n"' + b"x" * 200_000, "a.csv is no CSV file .field larger than .*; a quotation mark may be open"),
        (b"file;lat\nb;1\n", r"lacks the columns \['file', 'lat'\], as semicolons stand where commas should; its"),
        (b"file\tlat\nb\t1\n", r"lacks the columns \['file', 'lat'\], as tabulators stand where commas should; its"),
        (b"File,LAT\nb,1\n", r"lacks the columns \['file', 'lat'\] in small letters \(it has \['File', 'LAT'\]\); its"),
        (b"", r"a.csv lacks the columns \['file', 'lat'\]; its first line should be: file,lat"),
        (b"file,lat,lat\nb,1,2\n", r"a.csv has the columns \['lat'\] twice"),
    ],
)
def test_a_list_that_is_none_is_named_with_its_line(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        csv_columns(str(tmp_path), "a.csv", "file", "lat")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_list_is_the_same_whatever_system_wrote_it(end: str, mark: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f'{mark}lat, file{end}{end}1.5,"a,b.jpg"{end}'.encode())
    assert csv_columns(str(tmp_path), "a.csv", "file", "lat") == [("a,b.jpg", "1.5")]


def test_what_lies_in_the_place_of_a_list_and_is_none_does_not_pass_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("folder.csv", "link.csv", "pipe.csv"):
        with pytest.raises(ValueError, match=f"{name} is no file"):
            is_file(str(tmp_path), name)
    assert not is_file(str(tmp_path), "gone.csv")


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="a.txt is not UTF-8 at byte 0"):
        lines_of(str(tmp_path), "a.txt")


@pytest.mark.parametrize("texts", [("1", "2 (1)"), ("lat", "lon"), ("nan", "1"), ("", "1"), ("9" * 400, "1")])
def test_what_is_no_number_is_told_with_its_place(texts: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^all.csv, line 3: '.*' where decimal numbers were expected"):
        position("all.csv, line 3", *texts)


@pytest.mark.parametrize("texts", [("90.1", "0"), ("13.4", "-180.5"), ("139.7", "35.6")])
def test_what_is_no_place_on_earth_is_told_with_where_it_stands(texts: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^all.csv, line 3: '.*' is no place: lat lies in \[-90, 90\] and lon in"):
        position("all.csv, line 3", *texts)


def test_a_list_larger_than_any_is_told_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "list.txt").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(ValueError, match="list.txt is no list .it has 3,221 MB, more than 268.; fetch it again"):
        lines_of(str(tmp_path), "list.txt")


@pytest.mark.parametrize("text", ["12", " 12 ", "-.5", "+3.", "52.516275", "4.2e-05", "-1E-7", "007"])
def test_what_people_and_programs_write_is_a_number(text: str) -> None:
    assert decimal(text) == float(text)


def test_a_name_is_the_same_however_its_accents_are_written() -> None:
    assert by_name(["Zu\u0308rich.jpg"]).keys() == by_name(["Z\u00fcrich.jpg"]).keys()
