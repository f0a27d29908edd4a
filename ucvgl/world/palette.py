"""What things are made of, and their colours in each view: another season, nearly the same brightness."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class Material(IntEnum):
    """What the ground is made of, one value per cell of the world."""

    GRASS = 0
    MEADOW = 1
    SOIL = 2
    CROP = 3
    GRAVEL = 4
    PAVING = 5
    SIDEWALK = 6
    ASPHALT = 7
    TARMAC = 8
    MARKING = 9
    YELLOW = 10
    WATER = 11
    PITCH = 12
    CLAY = 13
    SAND = 14
    FLOWERS = 15
    CONCRETE = 16
    FOUNDATION = 17


WALKABLE = (
    Material.GRAVEL, Material.PAVING, Material.SIDEWALK, Material.ASPHALT,
    Material.TARMAC, Material.MARKING, Material.YELLOW,
)  # fmt: skip

# From the ground, in summer; from above, in autumn through another sensor. One row per material.
SUMMER = np.array(
    [
        (96, 130, 58), (146, 144, 80), (116, 88, 62), (124, 146, 62), (172, 154, 126), (182, 166, 154),
        (172, 170, 163), (96, 96, 100), (118, 116, 116), (234, 234, 228), (226, 192, 82), (74, 100, 116),
        (80, 142, 66), (172, 94, 66), (208, 192, 150), (176, 108, 122), (192, 190, 183), (120, 118, 116),
    ],
    np.float32,
)  # fmt: skip
AUTUMN = np.array(
    [
        (134, 112, 66), (160, 136, 96), (122, 82, 74), (156, 130, 64), (156, 154, 152), (160, 168, 180),
        (160, 172, 180), (82, 100, 118), (102, 118, 136), (224, 236, 242), (228, 196, 116), (50, 102, 100),
        (122, 128, 72), (162, 88, 96), (204, 188, 166), (152, 112, 146), (176, 192, 202), (112, 118, 124),
    ],
    np.float32,
)  # fmt: skip
SUMMER_LEAF = np.array(
    [(84, 122, 50), (70, 108, 52), (104, 132, 56), (62, 100, 62), (118, 136, 68)], np.float32
)
AUTUMN_LEAF = np.array(
    [(150, 100, 52), (126, 96, 58), (166, 112, 56), (104, 92, 66), (150, 124, 76)], np.float32
)
ROOF = np.array(
    [
        (158, 84, 62),
        (132, 78, 66),
        (104, 100, 102),
        (144, 126, 108),
        (178, 172, 164),
        (92, 88, 96),
        (196, 192, 188),
    ],
    np.float32,
)
WALL = np.array(
    [(206, 196, 176), (176, 116, 92), (222, 218, 210), (168, 160, 150), (196, 172, 130), (150, 104, 90),
     (188, 196, 204), (226, 206, 180), (140, 144, 150)],
    np.float32,
)  # fmt: skip
PAINT = np.array(
    [(226, 226, 228), (60, 62, 66), (150, 154, 160), (170, 40, 38), (44, 74, 140), (108, 112, 116),
     (206, 196, 170), (52, 92, 80), (236, 236, 236), (196, 120, 44)],
    np.float32,
)  # fmt: skip


class Palette(NamedTuple):
    """Colours of one view of one world, RGB 0..255, one row per material or choice."""

    ground: np.ndarray
    leaf: np.ndarray
    roof: np.ndarray
    wall: np.ndarray
    paint: np.ndarray


def summer_palette(seed: int) -> Palette:
    """Colours of the panoramas of a world."""
    return _varied(Palette(SUMMER, SUMMER_LEAF, ROOF, WALL, PAINT), np.random.default_rng([seed, 11]))


def autumn_palette(seed: int, distance: float) -> Palette:
    """Colours of the tiles of a world, `distance` of the way from summer to autumn."""
    cool = np.array([0.93, 1.0, 1.1], np.float32)

    def between(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return np.clip(ours + distance * (theirs - ours), 8, 250).astype(np.float32)

    palette = Palette(
        between(SUMMER, AUTUMN), between(SUMMER_LEAF, AUTUMN_LEAF), between(ROOF, ROOF * cool), WALL, PAINT
    )
    return _varied(palette, np.random.default_rng([seed, 12 if distance else 11]))


def _varied(palette: Palette, rng: np.random.Generator) -> Palette:
    """The same colours, each a little off: no two worlds are alike."""
    return Palette(
        *(
            np.clip(
                colours * rng.normal(1, 0.03, (len(colours), 1)) + rng.normal(0, 3, colours.shape), 4, 252
            ).astype(np.float32)
            for colours in palette
        )
    )
