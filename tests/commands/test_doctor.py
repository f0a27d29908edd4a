"""The doctor on copies of the published data sets, whole and broken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.images.published import (
    COLUMNS,
    ROWS,
    cvact_ids,
    rendered,
    vigor_names,
    write_cvact,
    write_cvusa,
    write_image,
    write_university1652,
    write_vigor,
)
from ucvgl import cli
from ucvgl.commands.doctor import doctor, examine, main
from ucvgl.commands.geometry_report import told
from ucvgl.poses.geometry import Found, Geometry

WRITERS = {
    "cvusa": write_cvusa,
    "cvact": write_cvact,
    "vigor": write_vigor,
    "university1652": write_university1652,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_whole_copy_can_be_used_and_the_command_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = WRITERS[name](tmp_path)
    assert main([name, str(root)]) == 0
    said = capsys.readouterr().out
    todo = said.partition("what to do\n")[2]
    assert todo == f"  - it can be used: python jobs/unsupervised.py {name} --dataset.root {root} --run runs/{name}\n"
    assert "missing" not in said and "cannot" not in said


def test_counts_coordinates_pairs_and_sizes_are_told(tmp_path: Path) -> None:
    said = doctor("cvusa", str(write_cvusa(tmp_path)), samples=3)
    for line in (
        "  8 queries, 8 references; the original has 35,532 and 35,532",
        "  coordinates of 4 references",
        "  4 queries have a true reference in the pool (CVUSA validation, one true tile)",
        "  opened 3 queries: 3 of 128 x 23",
        "  opened 3 references: 3 of 48 x 48",
    ):
        assert line in said.splitlines()


def test_a_missing_list_is_fetched_before_recalls_are_compared(tmp_path: Path) -> None:
    root = write_cvact(tmp_path)
    (root / "ACT_data.mat").unlink()
    said = doctor("cvact", str(root), protocol="test")
    assert "  missing, 1 in all: ACT_data.mat" in said
    assert "  - fetch ACT_data.mat: without it the splits are not the official ones" in said
    assert "--dataset.protocol test --run runs/cvact" in said


def test_missing_and_broken_images_are_named_with_the_reason(tmp_path: Path) -> None:
    root = write_vigor(tmp_path)
    lost, broken = vigor_names("Seattle")[0][:2]
    (root / "Seattle/panorama" / lost).unlink()
    (root / "Seattle/panorama" / broken).write_bytes(b"")
    said = doctor("vigor", str(root))
    assert f"  missing, 1 in all: Seattle/panorama/{lost}" in said
    assert f"  cannot be opened: {root}/Seattle/panorama/{broken}: empty file (0 bytes)" in said
    assert said.count("fetch the images again that cannot be opened") == 1
    assert "images that are missing are left out and the rest is used" in said
    assert "it can be used" in said


def test_panoramas_of_another_crop_than_the_preset_says_are_noticed(tmp_path: Path) -> None:
    root = write_cvusa(tmp_path / "whole")
    for path in (root / "streetview/panos").iterdir():
        write_image(path, rendered()[0].panorama)
    said = doctor("cvusa", str(root))
    assert (
        f"panoramas of {COLUMNS} x {ROWS} span about 180 degrees if they show all around, but the preset cvusa says "
        "65: give --projection.top-elevation-deg 90 --projection.bottom-elevation-deg -90"
    ) in said
    root = write_cvact(tmp_path)
    for identity in cvact_ids()[:8]:
        path = root / f"ANU_data_small/streetview/{identity}_grdView.jpg"
        write_image(path, rendered()[0].panorama[:32])
    assert "span about 90 degrees if they show all around, but the preset cvact says 180" in doctor("cvact", str(root))


def test_pictures_that_are_too_high_for_panoramas_are_taken_for_photos(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"panorama/{number}.jpg", rendered()[0].panorama[:, : COLUMNS * 2 // 3])
        write_image(tmp_path / f"satellite/{number}.jpg", rendered()[0].tile)
    assert "give --dataset.camera photo if an ordinary camera took them" in doctor("folder", str(tmp_path))


def test_tiles_that_are_not_square_are_told(tmp_path: Path) -> None:
    for name, size in (("panorama/a.png", (32, 64)), ("satellite/a.png", (48, 64)), ("satellite/b.png", (64, 64))):
        write_image(tmp_path / name, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    assert "tiles of 64 x 48 are squeezed into squares" in doctor("folder", str(tmp_path))


def test_drone_images_are_no_panoramas_and_may_have_any_shape(tmp_path: Path) -> None:
    assert "degrees" not in doctor("university1652", str(write_university1652(tmp_path)))


def test_what_cannot_be_used_is_told_with_the_tree_that_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cvact", str(write_vigor(tmp_path))]) == 1
    said = capsys.readouterr().out
    assert "  cannot be used: " in said and "holds none of the queries of cvact" in said
    assert "<root>/ANU_data_small/streetview/<panoId>_grdView.jpg" in said
    assert "it can be used" not in said
    assert main(["folder", str(tmp_path / "nowhere")]) == 1
    assert "nowhere does not exist or is empty" in capsys.readouterr().out


def test_your_own_folder_is_looked_at_too(tmp_path: Path) -> None:
    for k, place in enumerate(rendered()[:3]):
        write_image(tmp_path / f"ground/{k}.jpg", place.panorama)
        write_image(tmp_path / f"tile/{k}.png", place.tile)
    said = doctor("folder", str(tmp_path))
    assert "  3 queries, 3 references" in said.splitlines()
    assert "  no true pairs are known: retrievals, but no recall" in said


def test_a_protocol_that_the_data_set_lacks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "vigor", str(tmp_path), "--protocol", "test"]) == 2
    assert "'test' is no protocol of vigor; there are same_area, cross_area" in capsys.readouterr().err


def test_tiles_that_are_one_file_many_times_are_counted_and_named(tmp_path: Path) -> None:
    for view, count in (("panorama", 3), ("satellite", 24)):
        (tmp_path / view).mkdir()
        for number in range(count):
            drawn = np.random.default_rng(7 if view == "satellite" and number < 20 else number)
            image = drawn.integers(0, 256, (16, 64 if view == "panorama" else 16, 3), np.uint8)
            cv2.imwrite(str(tmp_path / view / f"{number:02d}.png"), image)
    for number in range(30, 35):
        cv2.imwrite(str(tmp_path / "satellite" / f"{number}.png"), np.full((16, 16, 3), 7, np.uint8))
    told = doctor("folder", str(tmp_path))
    assert "20 tiles are copies of 1 images (one 20 times:" in told
    assert f"5 tiles show nothing (the first: {tmp_path}/satellite/3" in told


def test_too_few_images_for_a_geometry_are_refused_and_a_geometry_is_told_as_flags(tmp_path: Path) -> None:
    for k, place in enumerate(rendered()[:3]):
        write_image(tmp_path / f"ground/{k}.jpg", place.panorama)
        write_image(tmp_path / f"tile/{k}.png", place.tile)
    said = str(examine("folder", str(tmp_path), geometry=500))
    assert "geometry: 3 panoramas of one size and 3 tiles are too few to tell, it takes 100 of each" in said
    found = Found(Geometry(36.04, -29.0, 1.0, -9.0), Geometry(0.3, 0.2, 0.02, 0.5), pairs=70, lead=12.0)
    lines, advice = told(found, 500, 400)
    assert "70 pairs agree" in lines[0] and "36.0 +- 0.3" in lines[2]
    assert advice[0].endswith(
        "--projection.fov-deg 90.0 --projection.top-elevation-deg 36.0 --projection.bottom-elevation-deg -29.0"
    )
    assert "-0.0250 of their width" in advice[1]
    lines, advice = told(Found(found.geometry, found.error, pairs=70, lead=2.0), 500, 400)
    assert "not found" in lines[0] and "--projection" not in advice[0]


@pytest.mark.parametrize(
    ("shape", "copies", "says"),
    [
        ((64, 64), 1, "panoramas of 64 x 64 would show 360 degrees from top to bottom if they showed all around"),
        ((1, 900), 1, "panoramas of 900 x 1 would show 0 degrees"),
        ((32, 128), 5, "20 panoramas of one size and 100 tiles are too few to tell, it takes 100 of each"),
    ],
)
def test_no_geometry_is_looked_for_in_other_shapes_or_in_copies(
    shape: tuple[int, int], copies: int, says: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for number in range(100):
        if number % copies == 0:
            panorama = rng.integers(0, 256, (*shape, 3), np.uint8)
        for name, image in (("ground", panorama), ("tile", rng.integers(0, 256, (16, 16, 3), np.uint8))):
            write_image(tmp_path / name / f"{number}.png", image)
    assert f"  geometry: {says}" in str(examine("folder", str(tmp_path), geometry=100))


def test_a_geometry_is_not_looked_for_in_pictures_of_drones_and_counts_have_bounds(tmp_path: Path) -> None:
    root = str(write_university1652(tmp_path))
    assert "geometry: its queries are no panoramas" in str(examine("university1652", root, geometry=500))
    for flags in ({"geometry": -5}, {"geometry": 10**9}, {"samples": -1}):
        (flag, value), *_ = flags.items()
        with pytest.raises(ValueError, match=rf"^--{flag} {value}: it must lie between 0 and "):
            examine("university1652", root, **flags)
