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
LARGE, MOST_PIXELS_PER_BYTE = 2**24, 2000
"""Of a WebP: one colour as it is packed with loss has 375 pixels in a byte."""
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
MAX_PARTS = 10_000
"""Segments before the scan of a JPEG, chunks of a WebP; the longest are as many as fill a file."""
MAX_HEADER = 2**24
"""Bytes before the scan of a JPEG: Pillow copies what it has for every segment of EXIF."""
SEGMENT = re.compile(rb"\xff+([\x00-\xd9\xdb-\xfe])")
"""Any marker but that of a scan, with the bytes that may fill the place before it."""
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In compressed data 0xff is escaped, or begins a restart marker."""


def too_large(height: int, width: int, *, deep: bool = False) -> str:
    """Why an image of these sides is not decoded; one of 16 bits takes twice the memory for each pixel."""
    most = MAX_PIXELS // (1 + deep)
    if height * width > most:
        return f"larger than {most // 1_000_000} Mpx{' of 16 bits' if deep else ''}: shrink it first"
    if max(height, width) > MAX_SIDE:
        return f"a side of {max(height, width)} pixels, more than {MAX_SIDE}: shrink it first"
    return ""


def too_empty(data: bytes) -> str:
    """Why a large WebP of so few bytes is not decoded: as it says, it would take half a minute, and shows nothing."""
    kind, sides = data[12:16], (0, 0)
    if kind == b"VP8 ":
        sides = tuple(int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        sides = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        sides = tuple(int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    pixels = sides[0] * sides[1] if data.startswith(b"RIFF") else 0
    if LARGE < pixels <= MAX_PIXELS and pixels > MOST_PIXELS_PER_BYTE * len(data):
        return f"damaged, or one colour (it says {sides[0]} x {sides[1]} pixels, and has {len(data)} bytes)"
    return ""


def start_of_scan(data: bytes) -> tuple[int, int]:
    """Where the first scan of a JPEG begins, and how many segments come before; no more than may are counted."""
    at, segments = len(JPEG_START), 0
    while segments <= MAX_PARTS and (found := SEGMENT.match(data, at)):
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
        segments += 1
    return at, segments


def too_many_parts(data: bytes) -> str:
    """Why a JPEG or WebP that holds little but headers may not keep a parser at work for minutes."""
    parts, at = 0, 12
    if data.startswith(JPEG_START):
        at, parts = start_of_scan(data)
        if at > MAX_HEADER:
            return f"more than {MAX_HEADER // 1_000_000} MB come before its picture: save it anew"
    elif data.startswith(b"RIFF"):
        while parts <= MAX_PARTS and at + 8 <= len(data):
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            at, parts = at + 8 + length + length % 2, parts + 1
    return f"more than {MAX_PARTS:,} parts: save it anew" if parts > MAX_PARTS else ""


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
