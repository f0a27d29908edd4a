import json

import cv2
import numpy as np
import pytest

from tests.index.areas import make_index, pictures, pixels_of
from ucvgl import cli


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("localize")
    make_index(folder / "area")
    pictures(folder / "photos", 3, (32, 128), seed=3)
    return folder


def lines(home, capsys, *words):
    code = cli.main(["localize", *words, "--index", str(home / "area")])
    return code, capsys.readouterr()


def test_photos_and_folders_are_answered_in_every_format(home, capsys):
    photo, folder = str(home / "photos" / "000.png"), str(home / "photos")
    code, printed = lines(home, capsys, photo)
    assert code == 0 and printed.out.startswith(f"{photo}   confidence ") and len(printed.out.splitlines()) == 6
    code, printed = lines(home, capsys, folder, "--format", "jsonl", "--k", "2")
    answers = [json.loads(line) for line in printed.out.splitlines()]
    assert code == 0 and [answer["query"] for answer in answers] == [f"{folder}/{row:03d}.png" for row in range(3)]
    assert all(len(answer["tiles"]) == 2 for answer in answers)
    code, printed = lines(home, capsys, folder, "--format", "geojson", "--k", "1")
    assert len(json.loads(printed.out)["features"]) == 3


def test_a_bad_photo_costs_only_itself(home, capsys, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    good = str(home / "photos" / "001.png")
    code, printed = lines(home, capsys, str(tmp_path / "a.jpg"), good, str(tmp_path / "absent.jpg"), "--k", "1")
    assert code == 1 and printed.out.startswith(good) and len(printed.out.splitlines()) == 2
    first, second = printed.err.splitlines()
    assert first.startswith(f"ucvgl localize: {tmp_path}/a.jpg: not an image") and "absent.jpg" in second
    code, printed = lines(home, capsys, str(tmp_path / "a.jpg"), "--format", "geojson")
    assert code == 1 and json.loads(printed.out) == {"type": "FeatureCollection", "features": []}


def test_what_a_folder_leaves_out_is_counted_and_named(home, capsys, tmp_path, caplog):
    pictures(tmp_path, 1, (32, 128), seed=3)
    (tmp_path / "b.jpg").symlink_to("nowhere")
    (tmp_path / "c.heic").write_bytes(b"")
    code, printed = lines(home, capsys, str(tmp_path), "--format", "jsonl")
    assert code == 0 and len(printed.out.splitlines()) == 1
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"{tmp_path}: 2 left out (a link that leads nowhere") and "not read: c.heic" in told


def test_a_picture_of_each_answer_is_drawn_on_request(home, capsys, tmp_path):
    code, printed = lines(home, capsys, str(home / "photos" / "002.png"), "--picture", str(tmp_path / "drawn"))
    assert code == 0
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["0001-002.png"]
    assert "picture: " in printed.err


def test_a_photo_with_a_long_or_forged_name_is_answered_and_shown_in_one_line(home, capsys, tmp_path):
    photos = [tmp_path / f"{name}.png" for name in ("n" * 250, "red\x1b[2J\nucvgl: all is well")]
    for photo in photos:
        photo.write_bytes((home / "photos" / "002.png").read_bytes())
    words = *map(str, photos), str(tmp_path / "a\x1bb.jpg"), "--picture", str(tmp_path / "drawn"), "--k", "1"
    code, printed = lines(home, capsys, *words)
    assert code == 1 and len(printed.out.splitlines()) == 4 and len(printed.err.splitlines()) == 3
    assert "\x1b" not in printed.out + printed.err and "red\\x1b[2J\\nucvgl: all is well" in printed.out
    assert sorted(len(path.name) for path in (tmp_path / "drawn").iterdir()) == [39, 209]


def test_mistakes_are_told(home, capsys):
    assert lines(home, capsys)[0] == 2
    code, printed = lines(home, capsys, "x.jpg", "--k", "0")
    assert code == 2 and printed.err == "ucvgl localize: --k 0: ask for at least one tile\n"
    assert cli.main(["localize", "x.jpg", "--index", str(home)]) == 2
    assert "is neither a run" in capsys.readouterr().err


@pytest.mark.parametrize("heading", ["north", "361", "nan", "1e2"])
def test_a_heading_that_is_none_is_refused(home, capsys, heading):
    code, printed = lines(home, capsys, str(home / "photos"), "--heading", heading)
    assert code == 2 and f"--heading {heading}: it is known, unknown, or degrees clockwise from north" in printed.err


def test_a_panorama_whose_middle_looks_east_is_turned_to_north(home, capsys, tmp_path):
    photo = pixels_of(home / "photos" / "000.png")
    cv2.imwrite(str(tmp_path / "east.png"), np.roll(photo, -32, axis=1)[..., ::-1])  # a quarter of its 128 columns
    _, straight = lines(home, capsys, str(home / "photos" / "000.png"), "--format", "jsonl")
    code, turned = lines(home, capsys, str(tmp_path / "east.png"), "--heading", "90", "--format", "jsonl")
    tiles = [json.loads(printed.out)["tiles"] for printed in (straight, turned)]
    assert code == 0 and tiles[0] == tiles[1]
