"""Panoramas, 512 x 1024 unless asked otherwise, as they come, and the eight ways in which some are broken."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from PIL import Image

HEIGHT = 512
DISTINCT = 24
BROKEN_EVERY = 1000


def names(count: int, height: int) -> Iterator[tuple[str, bytes, bool]]:
    """Path, content and whether it is good; a thousand images per subfolder."""
    good, broken = good_images(height), broken_images(height)
    for number in range(count):
        is_good = number % BROKEN_EVERY != BROKEN_EVERY // 2
        content = good[number % len(good)] if is_good else broken[number // BROKEN_EVERY % len(broken)]
        yield f"panorama/{number // 1000:04d}/{number:08d}.jpg", content, is_good


@cache
def good_images(height: int = HEIGHT) -> tuple[bytes, ...]:
    """JPEGs, and a few of the forms that are decoded as well: CMYK, grey, turned by EXIF, a PNG of 16 bits."""
    panoramas = [_panorama(seed, height) for seed in range(DISTINCT)]
    odd = Image.fromarray(panoramas[0])
    turned = Image.Exif()
    turned[0x0112] = 3
    deep = cv2.imencode(".png", cv2.resize(panoramas[1], (256, 128)).astype(np.uint16) * 257)[1].tobytes()
    forms = [_saved(odd.convert("CMYK")), _saved(odd.convert("L")), _saved(odd, exif=turned), deep]
    return tuple([_saved(Image.fromarray(panorama)) for panorama in panoramas] * 4 + forms)


@cache
def broken_images(height: int = HEIGHT) -> tuple[bytes, ...]:
    """Empty, cut, cut with an end marker, with a hole, a web page, noise, a cut PNG, a decompression bomb."""
    whole = good_images(height)[0]
    half = len(whole) // 2
    png = cv2.imencode(".png", _panorama(0, height))[1].tobytes()
    noise = np.random.default_rng(0).bytes(5000)
    page = b"<!DOCTYPE html><title>404 Not Found</title>"
    hole = whole[:half] + whole[half + len(whole) // 25 :]
    return (b"", whole[:half], whole[:half] + b"\xff\xd9", hole, page, noise, png[: len(png) // 2], _bomb())


def _panorama(seed: int, height: int) -> np.ndarray:
    """Waves and texture, about two bits per pixel as a JPEG."""
    random = np.random.default_rng(seed)
    waves = random.uniform(0, 255, (8, 16, 3)).astype(np.float32)
    image = cv2.resize(waves, (2 * height, height), interpolation=cv2.INTER_CUBIC)
    for scale, strength in ((1, 5), (2, 8), (4, 10), (8, 10)):
        grain = random.normal(0, strength, (height // scale, 2 * height // scale, 3)).astype(np.float32)
        image += cv2.resize(grain, (2 * height, height), interpolation=cv2.INTER_CUBIC)
    return image.clip(0, 255).astype(np.uint8)


def _saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def _bomb() -> bytes:
    """A PNG of a few bytes that claims 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
