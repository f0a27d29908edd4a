"""What a camera wrote into a photo about itself: how wide it saw, and where it looked."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ucvgl.images.bounds import KINDS

MILLIMETRES_35, WIDTH_35, HEIGHT_35 = 0xA405, 36.0, 24.0
"""Focal length as of a film of 36 x 24 mm."""
CAMERA, GPS = 0x8769, 0x8825
LOOKED, REFERRED = 17, 16
"""Direction of the image, and whether it is from true north (T) or from magnetic north (M)."""


@dataclass(frozen=True)
class Exif:
    """What is known of a photo.

    Args:
        fov_deg: angle across its longer side.
        heading_deg: where its middle looks, clockwise from north.
    """

    fov_deg: float | None = None
    heading_deg: float | None = None


def exif_of(data: bytes) -> Exif:
    """What an image file says; nothing where it says nothing, or nonsense.

    The focal length that is told as of 35 mm film is that of an equal diagonal (CIPA DC-008); a heading from magnetic
    north is taken as from true north: what lies between them nobody knows here.
    """
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as header:
            width, height = header.size
            tags = header.getexif()
            focal = _number(tags.get_ifd(CAMERA).get(MILLIMETRES_35))
            looked = _number(tags.get_ifd(GPS).get(LOOKED))
    except Exception:  # Pillow's parsers raise anything on bytes they do not expect
        return Exif()
    fov_deg = None
    if focal and 1 < focal < 2000:
        longer = math.hypot(WIDTH_35, HEIGHT_35) * max(width, height) / math.hypot(width, height)
        fov_deg = 2 * math.degrees(math.atan(longer / 2 / focal))
    return Exif(fov_deg, looked % 360 if looked is not None and 0 <= looked <= 360 else None)


def _number(value: Any) -> float | None:
    """A tag's value, where it is a number."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None
