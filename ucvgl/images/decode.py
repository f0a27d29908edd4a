"""Bytes to pixels, refusing with a reason what is not a whole image."""

from __future__ import annotations

import io
import logging
import re
import warnings
from typing import cast

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from ucvgl.images.bounds import (
    JPEG_END,
    JPEG_START,
    KINDS,
    MAX_BYTES,
    MAX_PIXELS,
    no_header,
    other_length,
    start_of_scan,
    too_empty,
    too_large,
    too_many_parts,
    too_many_scans,
)
from ucvgl.images.chunks import PNG_START, picture_of
from ucvgl.images.deep import as_8_bits, range_of, rule_of
from ucvgl.images.storage import read
from ucvgl.images.tiff import not_a_picture, without_alpha

# Both would print lines of their own for broken files, Pillow one for each tag; ours carry the name and the reason.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"PIL\.")

__all__ = ["BadImage", "decode", "load", "resize"]

Header = tuple[int, int, str, str]
"""Height, width, colour space and subsampling of a JPEG."""
EXIF = b"Exif\0\0"
log = logging.getLogger(__name__)
DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
"""What Pillow calls images of more than 8 bits; of colour it says so only in the header of a PNG."""
TOLD: list[str] = []
HALVED_FROM_PIXELS = 2**18
"""Smaller images are neither halved nor interpolated where they shrink: they cost little."""
LITTLE = 1.5
"""Shrinking by less, linear interpolation still meets every pixel, and takes a fifth of the time of averaging."""
HARMLESS_BYTES = 16
"""Cameras leave a few bytes between the last scan and the end marker; a damaged scan leaves hundreds."""
ODD = re.compile(r"Unknown Adobe color transform|unknown JFIF revision|Invalid SOS parameters for sequential", re.I)
"""What libjpeg finds odd and decodes as it was meant; all else that it says is of damage."""


class BadImage(ValueError):
    """An image that cannot be used: which one, and why."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri}: {self.reason}"


def decode(data: bytes, uri: str, *, enough: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The image in these bytes as RGB, turned upright by its EXIF orientation.

    Grey becomes RGB, alpha is dropped. 16 bits become 8 by a power of two, 256 where the brighter half of them is used,
    else what its range needs, as pictures of 10 to 14 bits in 16 would be nearly black (`ucvgl.images.deep`).

    Args:
        enough: height and width that the caller needs. A large JPEG of even sides that has at least twice as many comes
            at half its size, averaged by the decoder itself, in four fifths of the time.

    Raises:
        BadImage: empty, not an image, cut off, damaged, of floating-point numbers, or asking too much
            (`ucvgl.images.bounds`).
    """
    if not data:
        raise BadImage(uri, "empty file (0 bytes)")
    if data.startswith(JPEG_START):
        return _decode_jpeg(data, uri, enough)
    _check(other_length(data) or too_many_parts(data) or too_empty(data) or not_a_picture(data), uri)
    if data.startswith(PNG_START):
        data, reason = picture_of(data)
        _check(reason, uri)
    deep = _check_header(data, uri)
    data = without_alpha(data)
    return _decode_deep(data, uri) if deep else _decode_any(data, uri)


def load(
    uri: str, *, enough: tuple[int, int] | None = None, patience_s: float | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """`decode` of a file; `patience_s` as for `ucvgl.images.storage.read`.

    Raises:
        BadImage: it is not a whole image.
        OSError: it cannot be read, is no regular file, or is larger than any image.
    """
    return decode(read(uri, most=MAX_BYTES, patience_s=patience_s), uri, enough=enough)


def resize(image: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
    """Average over areas along the axes that shrink, interpolate linearly along those that grow.

    A large image that shrinks to half its sides or less is halved first: this takes half the time. If it shrinks by
    less than 1.5, or no more than that is left, it is interpolated (`docs/performance.md`).
    """
    rows, columns = image.shape[:2]
    if _can_be_halved(rows, columns, (height, width)):
        rows, columns = rows // 2, columns // 2
        image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    if rows > height or columns > width:
        little = rows * columns >= HALVED_FROM_PIXELS and rows < LITTLE * height and columns < LITTLE * width
        how = cv2.INTER_LINEAR if little else cv2.INTER_AREA
        image = cv2.resize(image, (min(width, columns), min(height, rows)), interpolation=how)
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def _decode_jpeg(data: bytes, uri: str, enough: tuple[int, int] | None) -> np.ndarray:
    """By libjpeg itself, which tells of damage that OpenCV and Pillow fill with grey or garbage in silence."""
    _check(too_many_parts(data), uri)
    try:
        height, width, colours, _ = cast(Header, simplejpeg.decode_jpeg_header(data, strict=False))
    except (ValueError, KeyError) as error:
        raise BadImage(uri, f"not a whole JPEG ({_words(error)})") from error
    _check(too_large(height, width) or too_many_scans(data), uri)
    _check_end(data, uri)
    printed = colours not in ("YCbCr", "Gray", "RGB")
    orientation = _orientation(data)
    sides = (height, width) if orientation < 5 else (width, height)
    halved = enough is not None and _can_be_halved(*sides, enough)
    factor = 2 if halved else 1
    space = "CMYK" if printed else "RGB"
    try:
        image = simplejpeg.decode_jpeg(
            data, space, min_height=height // factor, min_width=width // factor, min_factor=factor
        )
    except ValueError as error:
        if not _is_odd(str(error)):
            raise BadImage(uri, f"damaged ({_words(error)})") from error
        return _decode_odd(data, uri, orientation)
    return _upright(_as_shown(image) if printed else image, orientation)


def _decode_odd(data: bytes, uri: str, orientation: int) -> np.ndarray:
    """By Pillow, which prints no line for what libjpeg finds odd, as OpenCV does."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as odd:
            printed = odd.mode == "CMYK"
            image = _as_shown(255 - np.asarray(odd)) if printed else np.asarray(odd.convert("RGB"))
            return _upright(image, orientation)
    except Exception as error:  # as its other parsers
        raise BadImage(uri, f"damaged ({error})") from error


def _as_shown(printed: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """CMYK as RGB, as OpenCV does it: all such JPEGs hold how little ink there is, as Adobe's do."""
    inks, black = printed[..., :3].astype(np.uint16), printed[..., 3:].astype(np.uint16)
    return (black - ((255 - inks) * black >> 8)).astype(np.uint8)


def _decode_any(data: bytes, uri: str, how: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error as error:
        raise BadImage(uri, f"OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise BadImage(uri, f"cut off or damaged ({len(data)} bytes)")
    return image


def _decode_deep(data: bytes, uri: str) -> np.ndarray:
    """An image of more than 8 bits, made 8 by what is there."""
    deep = _decode_any(data, uri, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)[..., ::-1]  # as RGB it garbles TIFF
    if deep.dtype == np.uint8:
        return np.ascontiguousarray(deep)
    if deep.dtype != np.uint16:
        raise BadImage(uri, f"pixels of type {deep.dtype}, whose black and white nobody knows: write it with 8 bits")
    lowest, highest = range_of(deep)
    base, shift = rule_of(lowest, highest)
    if highest and shift < 8:
        _tell_of_few_bits(uri, lowest if base else 0, highest)
    return as_8_bits(deep, base, shift)


def _tell_of_few_bits(uri: str, lowest: int, highest: int) -> None:
    """Once per process: a data set has as many of these images as it has images."""
    if not TOLD:
        TOLD.append(uri)
        used = f"{lowest} to {highest}"
        log.warning("%s has 16 bits and uses %s: such images are brightened, by a power of two", uri, used)


def _check_header(data: bytes, uri: str) -> bool:
    """Refuse from the header alone what should never reach a decoder: this costs microseconds. Whether it is deep."""
    deep = False
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as header:
            sides = header.height, header.width
            _check("its colours are in Lab: save it as RGB" if header.mode == "LAB" else "", uri)
            frames = 1 if header.format == "TIFF" else getattr(header, "n_frames", 1)
            _check(f"an animation of {frames} pictures: save the one that is meant" if frames > 1 else "", uri)
            deep = header.mode in DEEP or header.format == "TIFF" or (header.format == "PNG" and data[24:25] == b"\x10")
    except BadImage:
        raise
    except Image.DecompressionBombError:
        sides = MAX_PIXELS, 2
    except Exception as error:  # Pillow's many parsers raise anything on bytes they do not expect
        raise BadImage(uri, no_header(data)) from error
    _check(too_large(*sides, deep=deep), uri)
    return deep


def _check(reason: str, uri: str) -> None:
    """Before any pixel is allocated."""
    if reason:
        raise BadImage(uri, reason)


def _check_end(data: bytes, uri: str) -> None:
    """Inside the scan the end marker cannot occur by chance, as 0xff is escaped there; in a thumbnail before it can."""
    at, _ = start_of_scan(data)
    if data.rfind(JPEG_END, at) < 0:
        raise BadImage(uri, f"cut off: a JPEG without an end marker ({len(data)} bytes)")


def _can_be_halved(height: int, width: int, enough: tuple[int, int]) -> bool:
    even = height % 2 == width % 2 == 0  # else the half would show a column or row more than the whole
    return even and height * width >= HALVED_FROM_PIXELS and height >= 2 * enough[0] and width >= 2 * enough[1]


def _orientation(data: bytes) -> int:
    """EXIF's number from 1 to 8; 1 is upright."""
    if data.find(EXIF, 0, 2**16) < 0:
        return 1
    try:
        with Image.open(io.BytesIO(data)) as header:
            number = header.getexif().get(0x0112, 1)
    except Exception:  # Pillow cannot read it, so nobody turned it by it
        return 1
    return number if number in range(1, 9) else 1


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    if orientation == 1:
        return image
    image = image.swapaxes(0, 1) if orientation >= 5 else image
    image = image[:, ::-1] if orientation in (2, 3, 6, 7) else image
    return np.ascontiguousarray(image[::-1] if orientation in (3, 4, 7, 8) else image)


def _is_odd(complaint: str) -> bool:
    extra = re.search(r"(\d+) extraneous bytes before marker 0xd9", complaint)
    return bool(ODD.search(complaint)) or (extra is not None and int(extra[1]) < HARMLESS_BYTES)


def _words(error: ValueError | KeyError) -> str:
    return "no header" if isinstance(error, KeyError) else str(error).removeprefix("Corrupt JPEG data: ").strip(". ")
