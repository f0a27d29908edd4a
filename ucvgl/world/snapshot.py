"""Photos of an ordinary camera in somebody's hand, cut from what stands all around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.settings.dataset import WorldLook

ASPECT = 4 / 3
HAND_DEG = 2.0
"""Standard deviation of pitch and roll from level."""


def photo_in(
    panorama: UInt8[np.ndarray, "h w 3"], look: WorldLook, seed: Sequence[int], *, hand_deg: float = HAND_DEG
) -> tuple[UInt8[np.ndarray, "r c 3"], float]:
    """A photo, as fine as the panorama, and where its middle looks, degrees clockwise from the panorama's middle.

    Where headings are not told (`any_heading`), the panorama itself begins anywhere, and the photo looks at its middle.

    Args:
        panorama: of the whole sphere.
        look: how wide the photo is.
        seed: what the heading and the hand are drawn from.
        hand_deg: how far from level a hand holds the camera.
    """
    random = np.random.default_rng(seed)
    heading = photo_heading(look, random)
    pitch, roll = random.normal(0, hand_deg, 2)
    width = max(8, round(panorama.shape[1] * look.photo_fov_deg / 360))
    directions = _rays(width, round(width / ASPECT), look.photo_fov_deg) @ _held(heading, pitch, roll).T
    east, north, up = np.moveaxis(directions, -1, 0)
    rows, columns = panorama.shape[:2]
    column = (np.arctan2(east, north) / (2 * math.pi) + 0.5) * columns - 0.5
    row = (0.5 - np.arctan2(up, np.hypot(east, north)) / math.pi) * rows - 0.5
    maps = column.astype(np.float32), row.astype(np.float32)
    return cv2.remap(panorama, *maps, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), heading


def photo_heading(look: WorldLook, random: np.random.Generator) -> float:
    """Where the middle of a photo looks, degrees clockwise from its panorama's middle: the first that is drawn."""
    return 0.0 if look.any_heading else float(random.uniform(0, 360))


def _rays(width: int, height: int, fov_deg: float) -> Float[np.ndarray, "r c 3"]:
    """East, north and up of what each pixel of a level camera sees that looks north."""
    focal = width / 2 / math.tan(math.radians(fov_deg) / 2)
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    return np.stack((x, np.full_like(x, focal), -y), axis=-1)


def _held(heading_deg: float, pitch_deg: float, roll_deg: float) -> Float[np.ndarray, "3 3"]:
    """Rotation of a level camera that looks north: rolled to the right, then raised, then turned clockwise."""
    heading, pitch, roll = map(math.radians, (heading_deg, pitch_deg, roll_deg))
    rolled = [[math.cos(roll), 0, math.sin(roll)], [0, 1, 0], [-math.sin(roll), 0, math.cos(roll)]]
    raised = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    to = [[math.cos(heading), math.sin(heading), 0], [-math.sin(heading), math.cos(heading), 0], [0, 0, 1]]
    return np.array(to) @ np.array(raised) @ np.array(rolled)
