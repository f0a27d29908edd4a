"""Which of the many kinds of TIFF are pictures that can be read as they are meant."""

from __future__ import annotations

import struct
from contextlib import suppress
from io import BytesIO

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    IMAGEWIDTH,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
)

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NUMBERS = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
NOT_UNPACKED = {
    34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
    33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34661: "JBIG", 34676: "LogLuv",
    34677: "LogLuv", 32809: "ThunderScan", 32766: "NeXT",
}  # fmt: skip
"""Ways to pack pixels that OpenCV's libtiff was built without."""
MOST_BITS, MOST_CHANNELS = 16, 4
SUBFILE, REDUCED, MASK, MOST_PAGES = 254, 1, 4, 16
"""The tag that says what a page is, its bits, and how many pages are counted."""
WAY_OUT = "write it as RGB or grey of 8 or 16 bits, channels side by side in each pixel"


def not_a_picture(data: bytes) -> str:
    """Why a TIFF is none that is read: measured heights, many bands, planes that OpenCV would take for one another."""
    if not data.startswith(STARTS):
        return ""
    try:
        tags = _tags(data)
        bits, channels = max(tags.get(BITSPERSAMPLE, (1,))), int(tags.get(SAMPLESPERPIXEL, 1))
        numbers, planes = max(tags.get(SAMPLEFORMAT, (1,))), int(tags.get(PLANAR_CONFIGURATION, 1))
    except Exception:  # as Pillow's other parsers, on bytes it does not expect; the decoder says what is wrong
        return ""
    if several := _more_pages(data, tags):
        return several
    if packed := NOT_UNPACKED.get(tags.get(COMPRESSION, 1)):
        return f"a TIFF packed by {packed}, which is not read: pack it by LZW or Deflate"
    known = NUMBERS.get(numbers, "unsigned")  # 4 is `undefined`, which is taken for the usual
    apart = planes == 2 and channels > 1
    usual = (bits, channels) == (8, 3) if apart else (bits <= 8 or channels != 2) and channels <= MOST_CHANNELS
    if known == "unsigned" and bits <= MOST_BITS and usual:
        return ""
    shape = f"{channels} channels, each in a plane of its own," if apart else f"{channels} channels"
    return f"a TIFF of {shape if channels > 1 else '1 channel'} of {bits}-bit {known} numbers: {WAY_OUT}"


def without_alpha(data: bytes) -> bytes:
    """The same TIFF with a fourth channel of no known meaning: with an alpha, OpenCV multiplies the pixels by it."""
    if not data.startswith(STARTS):
        return data
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    first, count, entry, value = ("Q", "Q", 20, 12) if big else ("I", "H", 12, 8)
    try:
        (at,) = struct.unpack_from(order + first, data, 8 if big else 4)
        (entries,) = struct.unpack_from(order + count, data, at)
        at += struct.calcsize(count)
        for start in range(at, min(at + entries * entry, len(data)), entry):
            (tag,) = struct.unpack_from(order + "H", data, start)
            (several,) = struct.unpack_from(order + first, data, start + 4)
            if tag == EXTRASAMPLES and several == 1:
                return data[: start + value] + bytes(entry - value) + data[start + entry :]
    except (struct.error, OverflowError):
        pass  # cut off, as the decoder will say
    return data


def _more_pages(data: bytes, tags: ImageFileDirectory_v2) -> str:
    """Why a TIFF is not the one picture that its first page shows; smaller copies and masks are no pages."""
    pages, met = [_is_page(tags)], {_directory(data).next}
    with suppress(Exception):  # as above; a chain that breaks ends there
        while tags.next and tags.next not in met and len(pages) < MOST_PAGES:
            met.add(tags.next)
            tags = _tags(data, tags.next)
            pages.append(IMAGEWIDTH in tags and _is_page(tags))
    if not pages[0] and any(pages):
        return "a TIFF whose first page is a small copy or a mask of a later one: save its picture as a file of its own"
    count = f"{MOST_PAGES} or more" if len(pages) == MOST_PAGES else str(sum(pages))
    return f"a TIFF of {count} pages: save each as a file of its own" if sum(pages) > 1 else ""


def _is_page(tags: ImageFileDirectory_v2) -> bool:
    return not int(tags.get(SUBFILE, 0)) & (REDUCED | MASK)


def _tags(data: bytes, at: int = 0) -> ImageFileDirectory_v2:
    """Of the page that begins there; by default of the first."""
    file, tags = BytesIO(data), _directory(data)
    file.seek(at or tags.next)
    tags.load(file)
    return tags


def _directory(data: bytes) -> ImageFileDirectory_v2:
    """Empty; it says where that of the first page begins."""
    return ImageFileDirectory_v2(data[: 16 if data[2:4] in (b"+\0", b"\0+") else 8])
