"""What speaks against an image before a decoder sees it, above all how much it asks of this machine; or nothing."""

from __future__ import annotations

import re

MAX_BYTES = 2**28
"""Of an image file, 268 MB."""
MAX_PIXELS = 2 * 89_478_485
"""Pillow's own limit for decompression bombs."""
MAX_SIDE = 32_766
"""OpenCV's remapping counts rows and columns in 16 bits."""
MAX_SCANS = 32
"""Of a progressive JPEG. Encoders write about ten; every one costs a pass over all pixels, however small it is."""
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Pillow's names of what is read; other decoders never see a byte."""
BEGINNINGS = (b"\x89PNG\r\n", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Of files that say to be of these kinds."""
OTHERS = {b"GIF8": "GIF", b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"\xff\x0a": "JPEG XL",
          b"\0\0\0\x0cJXL ": "JPEG XL", b"8BPS": "Photoshop", b"%PDF": "PDF"}  # fmt: skip
BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF",
          b"avis": "AVIF"}  # fmt: skip
SCAN = b"\xff\xda"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In compressed data 0xff is escaped, or begins a restart marker."""


def too_large(height: int, width: int) -> str:
    """Why an image of these sides is not decoded."""
    if height * width > MAX_PIXELS:
        return f"larger than {MAX_PIXELS // 1_000_000} Mpx: shrink it first"
    if max(height, width) > MAX_SIDE:
        return f"a side of {max(height, width)} pixels, more than {MAX_SIDE}: shrink it first"
    return ""


def no_header(data: bytes) -> str:
    """Why a file whose header cannot be read is not decoded."""
    other = next((kind for start, kind in OTHERS.items() if data.startswith(start)), "")
    if kind := other or (BRANDS.get(data[8:12], "") if data[4:8] == b"ftyp" else ""):
        return f"{kind}, whatever its name says, which is not read: save it as PNG or JPEG"
    if data.startswith(BEGINNINGS):
        return f"cut off or damaged ({len(data)} bytes, and no header that can be read)"
    return f"not an image (it begins with {data[:12]!r})"


def other_length(data: bytes) -> str:
    """Why a WebP or BMP, whose pixels have no checksum, is not what was written: its header tells how long it was."""
    written = len(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        written = 8 + int.from_bytes(data[4:8], "little")
        written += written % 2
    elif data.startswith(b"BM"):
        written = int.from_bytes(data[2:6], "little") or len(data)
    return f"cut off or damaged ({len(data)} bytes, and its header says {written})" if written != len(data) else ""


def too_many_scans(data: bytes) -> str:
    """Why a JPEG of a few bytes may not take minutes."""
    if data.count(SCAN) <= MAX_SCANS:  # those inside a thumbnail or a profile included
        return ""
    scans, at = 0, len(JPEG_START)
    while scans <= MAX_SCANS and (found := MARKER.search(data, at)):
        marker, at = found[0], found.end()
        if marker == JPEG_END:
            break
        scans += marker == SCAN
        at += int.from_bytes(data[at : at + 2], "big")
    return f"more than {MAX_SCANS} scans: save it anew" if scans > MAX_SCANS else ""
