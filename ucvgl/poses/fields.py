"""What poses are told by: the structure of views from above, and how often cameras stand where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from ucvgl.images.decode import resize
from ucvgl.poses.structure import shown, structure

LOCAL = 0.52
"""Side of the square whose mean is taken from every pixel, as a share of the view's."""
NEAR = 0.6
"""The ground counts by a Gaussian of the distance from the camera, of this standard deviation in half sides."""
STRAY = 0.1
"""Share of cameras that stand anywhere: what is usual is no law."""


def field(image: UInt8[np.ndarray, "h w 3"], side: int) -> Float32[np.ndarray, "9 s s"]:
    """Structure against that around it, each channel equally strong; 0 where an image shows nothing.

    Args:
        side: pixels of the field.
    """
    inside, local = shown(image), int(LOCAL * side) // 2 * 2 + 1
    if inside is not None:
        inside = np.asarray(cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA) > 1 - 1e-3, np.float32)
    seen = structure(resize(image, side, side), inside)
    around = np.empty_like(seen)
    for plane, mean in zip(seen, around, strict=True):
        cv2.blur(plane, (local, local), dst=mean)
    share = 1.0
    if inside is not None:
        around *= inside / np.maximum(cv2.blur(inside, (local, local)), 1 / local**2)
        share = max(float(inside.mean()), 1 / side**2)
    apart = seen - around
    strength = np.sqrt((apart**2).mean((1, 2)) / share) + 1e-3
    return np.asarray(apart / strength[:, None, None], np.float32)


def turned(image: UInt8[np.ndarray, "s s 3"], degrees: float) -> UInt8[np.ndarray, "s s 3"]:
    """Clockwise, about the middle."""
    if not degrees:
        return image
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), -degrees, 1)
    return cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)


@lru_cache(maxsize=4)
def near(side: int) -> Float[np.ndarray, "s s"]:
    """How much the ground counts."""
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return np.exp(-(x**2 + y**2) / 2 / (NEAR * side / 2) ** 2)


def shifts(reach: int) -> tuple[Int[np.ndarray, "s s"], Int[np.ndarray, "s s"]]:
    """East and north of every shift, pixels."""
    north, east = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return east, north


def usual(
    reach: int, off_centre: float, turns: Sequence[float], off_north_deg: float
) -> Float32[np.ndarray, "t y x"]:
    """Log of how often cameras stand and look so; all headings alike, where turns go all around.

    Args:
        reach: farthest shift, pixels.
        off_centre: standard deviation of cameras from the middle of their tile, per axis, pixels.
        turns: headings, degrees from the one that is thought to be right.
        off_north_deg: standard deviation of headings from that.
    """
    east, north = shifts(reach)
    central = -(east**2 + north**2) / 2 / off_centre**2
    ahead = -((np.asarray(turns) / off_north_deg) ** 2) / 2
    if turns[-1] - turns[0] > 180:
        ahead = np.zeros(len(turns))
    return (with_strays(ahead)[:, None, None] + with_strays(central)).astype(np.float32)


def with_strays(log_odds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The logarithm of how often, where some are anywhere."""
    chance = normalised(log_odds)
    return np.log((1 - STRAY) * chance + STRAY / chance.size)


def normalised(log_odds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Odds by their logarithm, as shares of 1."""
    odds = np.exp(log_odds - log_odds.max())
    return odds / odds.sum()
