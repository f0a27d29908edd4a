"""What things are made of, and their colours in each view: another season, nearly the same brightness."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ucvgl.settings.dataset import WorldLook


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
WINTER = np.array(
    [
        (218, 224, 234), (206, 208, 208), (176, 166, 160), (214, 220, 230), (158, 156, 154), (132, 136, 144),
        (126, 130, 138), (70, 80, 94), (86, 96, 110), (196, 206, 212), (196, 172, 112), (44, 62, 76),
        (222, 226, 234), (196, 176, 176), (212, 208, 204), (206, 206, 216), (140, 146, 156), (112, 118, 124),
    ],
    np.float32,
)  # fmt: skip
"""Snow where nobody walks or drives; wet stone."""
SUMMER_LEAF = np.array(
    [(84, 122, 50), (70, 108, 52), (104, 132, 56), (62, 100, 62), (118, 136, 68)], np.float32
)
AUTUMN_LEAF = np.array(
    [(150, 100, 52), (126, 96, 58), (166, 112, 56), (104, 92, 66), (150, 124, 76)], np.float32
)
WINTER_LEAF = np.array(
    [(132, 122, 116), (112, 104, 102), (156, 150, 146), (96, 100, 92), (146, 138, 128)], np.float32
)
WINTER_ROOF = np.array(
    [(214, 210, 214), (190, 186, 190), (222, 226, 232), (204, 202, 204), (228, 230, 234), (120, 122, 132),
     (232, 234, 238)],
    np.float32,
)  # fmt: skip
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


COOL = np.array([0.93, 1.0, 1.1], np.float32)
SEASONS = {"autumn": (AUTUMN, AUTUMN_LEAF, ROOF * COOL), "winter": (WINTER, WINTER_LEAF, WINTER_ROOF)}
"""Colours from above of the ground, of leaves and of roofs."""
MIDDLE_GREY = 135.0


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


def palette_from_above(seed: int, distance: float, look: WorldLook) -> Palette:
    """Colours of the tiles of a world, `distance` of the way from summer to their season."""
    ground, leaf, roof = SEASONS[look.season]

    def between(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return _inverted(np.clip(ours + distance * (theirs - ours), 8, 250).astype(np.float32), look.inversion)

    palette = Palette(between(SUMMER, ground), between(SUMMER_LEAF, leaf), between(ROOF, roof), WALL, PAINT)
    return _varied(palette, np.random.default_rng([seed, 12 if distance else 11]))


def brightness(colours: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape"]:
    """Luma of RGB colours (Rec. 601)."""
    return colours @ np.array([0.299, 0.587, 0.114], np.float32)


def _inverted(colours: np.ndarray, inversion: float) -> np.ndarray:
    """Colours of the same hue whose brightness has gone so far to its mirror image about `MIDDLE_GREY`."""
    if not inversion:
        return colours
    before = brightness(colours)
    after = before + inversion * 2 * (MIDDLE_GREY - before)
    return np.clip(colours * (after / before)[:, None], 8, 250).astype(np.float32)


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
