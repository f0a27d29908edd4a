"""Tiny copies of the published data sets, exact in names and lists, with images of a synthetic world.

Twelve places are rendered once per session. Numbers and ids are given out so that neither file order nor list order is
the order of the places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from ucvgl.settings.dataset import WorldLook
from ucvgl.world.levels import NO_GAP
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.panorama import render_panorama
from ucvgl.world.world import build_world, places

PLACES, TRAIN = 12, 8
ROWS, COLUMNS, TILE = 64, 128, 48
CROP = slice(19, 42)
"""Rows of the panorama that CVUSA keeps: 36.5 degrees above the horizon to 28.95 below."""
CITIES = ("Chicago", "NewYork", "SanFrancisco", "Seattle")
BUILDINGS = {"train": ["0839", "0842", "0001"], "query": ["0003", "0007"], "gallery": ["0003", "0007", "1650"]}


@dataclass(frozen=True)
class Place:
    panorama: np.ndarray
    tile: np.ndarray


@cache
def rendered() -> list[Place]:
    world = build_world(4, NO_GAP, WorldLook(), side_m=260)
    spots = places(world)[:PLACES]
    assert len(spots) == PLACES
    size = {"height": ROWS, "width": COLUMNS}
    return [
        Place(render_panorama(world, spot, k, **size), render_tile(world, spot, k, size=TILE))
        for k, spot in enumerate(spots)
    ]


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))


def write_text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def shuffled(seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(PLACES).tolist()


def write_cvusa(root: Path) -> Path:
    """Place k is image number `shuffled(1)[k] + 1`; the first eight places train."""
    numbers = [f"{number + 1:07d}" for number in shuffled(1)]
    for place, number in zip(rendered(), numbers, strict=True):
        write_image(root / f"streetview/panos/{number}.jpg", place.panorama[CROP])
        write_image(root / f"streetview/annotations/{number}.png", place.panorama[CROP])
        write_image(root / f"bingmap/19/{number}.jpg", place.tile)
        write_image(root / f"bingmap/18/{number}.jpg", place.tile)
    line = "bingmap/19/{0}.jpg,streetview/panos/{0}.jpg,streetview/annotations/{0}.png"
    for name, some in (("train", numbers[:TRAIN]), ("val", numbers[TRAIN:])):
        write_text(root / f"splits/{name}-19zl.csv", [line.format(number) for number in some])
    locations = [f"{40 + n / 100},{-80 - n / 100},{40 + n / 100 + 1e-4},{-80 - n / 100},0" for n in range(PLACES)]
    write_text(root / "split_locations/all.csv", locations)
    return root


def cvact_ids() -> list[str]:
    letters = np.array(list("abcXYZ0189-_"))
    return ["".join(np.random.default_rng([9, k]).choice(letters, 22)) for k in range(PLACES + TRAIN)]


def write_cvact(root: Path, *, cells: bool = False) -> Path:
    """Ids 0 to 7 train, 8 to 11 validate and 12 to 19 are the test set, which shows the places of training again.

    Along a line to the east, the test places lie 0, 4, 9, 15, 21 ... metres from the first: 0 and 4 are near each
    other, 4 and 9 just so (5 m), and nothing else is.
    """
    ids = cvact_ids()
    for k, identity in enumerate(ids):
        place, part = rendered()[k % PLACES], "ANU_data_small" if k < PLACES else "ANU_data_test"
        write_image(root / part / f"streetview/{identity}_grdView.jpg", place.panorama)
        write_image(root / part / f"satview_polish/{identity}_satView_polish.jpg", place.tile)
    utm = np.array([(693_000.0 + 100 * k, 6_090_000.0) for k in range(len(ids))])
    utm[PLACES:] = [(700_000.0 + east, 6_090_000.0) for east in (0, 4, 9, 15, 21, 27, 33, 39)]
    # The lists refer to rows of `panoIds` from 1; its rows are in no order.
    row_of = np.random.default_rng(2).permutation(len(ids))
    stored, position = np.empty(len(ids), object if cells else "U22"), np.empty_like(utm)
    stored[row_of], position[row_of] = ids, utm

    def rows(first: int, end: int) -> np.ndarray:
        return (row_of[first:end] + 1)[:, None]

    savemat(
        root / "ACT_data.mat",
        {
            "panoIds": stored[:, None] if cells else stored,
            "utm": position,
            "trainSet": {"trainNum": TRAIN, "trainInd": rows(0, TRAIN)},
            "valSet": {"valNum": PLACES - TRAIN, "valInd": rows(TRAIN, PLACES)},
            "valSetAll": {"valNum": TRAIN, "valInd": rows(PLACES, len(ids))},
        },
    )
    return root


def vigor_names(city: str) -> tuple[list[str], list[str]]:
    """Three panoramas and seven tiles of a city; the first two panoramas stand on the first tile."""
    base = CITIES.index(city)
    panoramas = [f"pano_{base}-{k},{41 + base + k / 1000:.6f},-87.{k}00000,.jpg" for k in range(3)]
    tiles = [f"satellite_{41 + base + k / 1000:.6f}_-87.{k}12345.png" for k in range(7)]
    return panoramas, tiles


def write_vigor(root: Path, *, by_view: bool = False) -> Path:
    """Each city: two panoramas train and one is tested; tiles 4 to 6 have no panorama."""
    for number, city in enumerate(CITIES):
        panoramas, tiles = vigor_names(city)
        raw = f"{city}/panorama", f"{city}/satellite"
        ground, above = (f"ground/{city}", f"satellite/{city}") if by_view else raw
        for k, name in enumerate(panoramas):
            write_image(root / ground / name, rendered()[3 * number + k].panorama)
        for k, name in enumerate(tiles):
            write_image(root / above / name, np.rot90(rendered()[3 * number + k % 3].tile, k // 3))
        lines = []
        for name, positive in zip(panoramas, (0, 0, 1), strict=True):
            near = [tiles[positive], *(tiles[2 + k] for k in range(3))]
            lines.append(" ".join([name, *(f"{tile} {12.5 * k} {-30.0 * k}" for k, tile in enumerate(near))]))
        write_text(root / f"splits/{city}/satellite_list.txt", tiles)
        write_text(root / f"splits/{city}/pano_label_balanced.txt", lines)
        write_text(root / f"splits/{city}/same_area_balanced_train.txt", lines[:2])
        write_text(root / f"splits/{city}/same_area_balanced_test.txt", lines[2:])
    return root


def write_university1652(root: Path) -> Path:
    """Three images per building from the air (54 in the original), two from the street, one tile."""
    folders = {"train/{}": "train", "test/query_{}": "query", "test/gallery_{}": "gallery"}
    for folder, part in folders.items():
        for building in BUILDINGS[part]:
            place = rendered()[int(building) % PLACES]
            tile = place.tile if part == "train" else place.tile[:, ::-1]  # no image is there twice
            for k in range(3):
                write_image(root / folder.format("drone") / building / f"image-{k:02d}.jpeg", np.rot90(tile, k + 1))
            for k in range(2):
                view = np.roll(place.panorama[:, :: 1 if part == "train" else -1], 16 * k, axis=1)[8:56, 40:88]
                write_image(root / folder.format("street") / building / f"{k}.jpg", view)
            write_image(root / folder.format("satellite") / building / f"{building}.jpg", tile)
    return root
