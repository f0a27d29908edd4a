"""Bytes to pixels, at OpenCV's speed, refusing with a reason what is not a whole image."""

from __future__ import annotations

import io

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ucvgl.data.storage import read

# OpenCV would print a line of its own for every broken file; ours carry the name and the reason.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["BadImage", "decode", "read", "resize"]

JPEG_END = b"\xff\xd9"


class BadImage(ValueError):
    """An image that cannot be used: which one, and why."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri}: {self.reason}"


def decode(data: bytes, uri: str) -> UInt8[np.ndarray, "h w 3"]:
    """The image in these bytes as RGB, turned upright by its EXIF orientation.

    Grey becomes RGB, 16 bits become 8, alpha is dropped.

    Raises:
        BadImage: empty, not an image, cut off, damaged, or larger than 179 Mpx.
    """
    check_whole(data, uri)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise BadImage(uri, f"OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise BadImage(uri, f"cut off or damaged ({len(data)} bytes)")
    return image


def check_whole(data: bytes, uri: str) -> None:
    """Refuse from the header alone what should never reach a decoder: this costs microseconds."""
    if not data:
        raise BadImage(uri, "empty file (0 bytes)")
    try:
        # Before any pixel is allocated: Pillow refuses bombs when it reads a header.
        with Image.open(io.BytesIO(data)) as header:
            form, scan = header.format, header.fp.tell() if header.fp else 0
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise BadImage(uri, f"larger than {limit} Mpx: shrink it first") from error
    except Exception as error:  # Pillow's many parsers raise anything on bytes they do not expect
        raise BadImage(uri, f"not an image (it begins with {data[:12]!r})") from error
    # Some OpenCV versions fill the missing part of a cut JPEG with grey and say nothing. Inside its scan the
    # end marker cannot occur by chance (0xff is escaped there), unlike before it, in a thumbnail.
    if form == "JPEG" and data.rfind(JPEG_END, scan) < 0:
        raise BadImage(uri, f"cut off: a JPEG without an end marker ({len(data)} bytes)")


def resize(image: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
    """Average over areas along the axes that shrink, interpolate linearly along those that grow."""
    rows, columns = image.shape[:2]
    if rows > height or columns > width:
        image = cv2.resize(image, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA)
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image
