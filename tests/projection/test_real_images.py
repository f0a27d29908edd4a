"""The project's geometry against real images, which lie beside the repository where they lie at all."""

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ucvgl.images.decode import decode, resize
from ucvgl.projection.birdseye import BirdsEye, birds_eye
from ucvgl.settings.presets import PRESETS

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
SIZE = 96

pytestmark = pytest.mark.skipif(
    not (REAL / "manifest.csv").exists(),
    reason="the real images are not in ../shared/real beside the repository",
)


def pairs(dataset: str) -> list[dict[str, dict[str, str]]]:
    views: dict[str, dict] = defaultdict(dict)
    with open(REAL / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == dataset and row["pair_id"]:
                views[row["pair_id"]][row["kind"]] = row
    return [pair for pair in views.values() if {"pano", "sat"} <= set(pair)]


def load(row: dict[str, str]) -> np.ndarray:
    return decode((REAL / row["file"]).read_bytes(), row["file"])


def birdseye(pano: dict[str, str]) -> np.ndarray:
    """The BEV of the ground that the tile shows: fov/2 = atan(half side of the tile in camera heights)."""
    panorama = load(pano)
    half_side = float(pano["tile_half_side_in_camera_heights"])
    project = BirdsEye(
        SIZE,
        *panorama.shape[:2],
        fov_deg=2 * np.degrees(np.arctan(half_side)),
        top_elevation_deg=float(pano["pano_top_elev_deg"]),
        bottom_elevation_deg=float(pano["pano_bottom_elev_deg"]),
    )
    return project(panorama)


def correlation(bev: np.ndarray, tile: np.ndarray, seen: np.ndarray) -> float:
    """Of coarse brightness, where the BEV shows anything."""
    bev, tile = (
        cv2.GaussianBlur(image.astype(np.float32).mean(axis=2), (0, 0), 2)[seen] for image in (bev, tile)
    )
    return float(np.corrcoef(bev, tile)[0, 1])


@pytest.mark.parametrize("dataset", ["CVACT", "CVUSA"])
def test_the_birds_eye_view_lines_up_with_its_tile_and_no_turn_or_mirror_of_it_does(dataset):
    scores = defaultdict(list)
    for pair in pairs(dataset):
        bev, tile = birdseye(pair["pano"]), resize(load(pair["sat"]), SIZE, SIZE)
        # Near the camera: farther out, what stands on the ground hides it, and the BEV smears it outwards.
        near = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5)) < SIZE / 4
        for name, turned in {
            "upright": bev,
            "90": np.rot90(bev, 1),
            "180": np.rot90(bev, 2),
            "270": np.rot90(bev, 3),
            "mirrored": bev[:, ::-1],
        }.items():
            scores[name].append(correlation(turned, tile, near & turned.any(axis=2)))
    means = {name: np.mean(values) for name, values in scores.items()}
    upright = means.pop("upright")
    assert len(scores["upright"]) >= 9
    assert upright > 0.2
    assert upright > max(means.values()) + 0.1, (upright, means)


TILE_HALF_SIDE_M = {"CVACT": 73.0, "CVUSA": 87.0}
"""Published scale of the tiles times their size."""


def by_preset(pano: dict[str, str], **changes: float) -> np.ndarray:
    panorama = load(pano)
    settings = replace(PRESETS[pano["dataset"].lower()]().projection, **changes)
    return birds_eye(settings, SIZE, *panorama.shape[:2])(panorama)


@pytest.mark.parametrize("dataset", ["CVACT", "CVUSA"])
def test_with_the_presets_crop_and_the_tiles_scale_the_birds_eye_view_lines_up_with_its_tile(dataset):
    """The scale comes from the published size of the tiles and a camera as high as fits these images."""
    scores = defaultdict(list)
    near = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5)) < SIZE / 4
    for pair in pairs(dataset):
        tile = resize(load(pair["sat"]), SIZE, SIZE)
        half_side_m = TILE_HALF_SIDE_M[dataset]
        height = half_side_m / float(pair["pano"]["tile_half_side_in_camera_heights"])
        scale = {"metres_per_pixel": 2 * half_side_m / SIZE, "camera_height_m": height}
        bev = by_preset(pair["pano"], **scale)
        np.testing.assert_allclose(bev.astype(int), birdseye(pair["pano"]).astype(int), atol=1)
        for name, turned in {"upright": bev, "half": np.rot90(bev, 2), "mirrored": bev[:, ::-1]}.items():
            scores[name].append(correlation(turned, tile, near & turned.any(axis=2)))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["upright"] > max(0.2, means["half"] + 0.1, means["mirrored"] + 0.1), means


def test_the_horizon_of_cvusa_is_where_the_preset_puts_it():
    """Higher or lower crops of the same height fit the tiles worse; 38.6 is the one of the released code."""
    near = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5)) < SIZE / 4
    scores = {}
    for top in (30.0, 36.5, 38.6, 43.0):
        crop = {"top_elevation_deg": top, "bottom_elevation_deg": top - 65.45}
        bevs = [by_preset(pair["pano"], fov_deg=174.8, **crop) for pair in pairs("CVUSA")]
        tiles = [resize(load(pair["sat"]), SIZE, SIZE) for pair in pairs("CVUSA")]
        found = [correlation(bev, tile, near & bev.any(axis=2)) for bev, tile in zip(bevs, tiles, strict=True)]
        scores[top] = float(np.mean(found))
    assert max(scores, key=lambda top: scores[top]) == 36.5, scores
