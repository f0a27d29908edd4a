"""An image as an encoder sees it, wherever it is embedded from; no torch, so that reading processes stay small."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from ucvgl.images.decode import decode, load, resize
from ucvgl.projection.birdseye import from_above, worth_decoding
from ucvgl.settings.experiment import Projection

Image = str | os.PathLike | bytes | np.ndarray
"""A path or URI, the bytes of an image file, or RGB pixels (uint8, HWC)."""


@dataclass(frozen=True)
class Preprocessing:
    """How images reach an encoder.

    Args:
        size: height and width, pixels.
        enough: height and width of the whole image that are worth decoding.
        above: how panoramas are projected, where an encoder sees them from above.
        panorama: height and width of the panorama where it and its view from above are seen both: on one sheet of
            `size`, the square view under the panorama. Otherwise the view alone is.
    """

    size: tuple[int, int]
    enough: tuple[int, int]
    above: Projection | None = None
    panorama: tuple[int, int] | None = None


def whole_image(size: tuple[int, int]) -> Preprocessing:
    """That of an encoder that sees whole images at this size."""
    return Preprocessing(size, size)


def query_preprocessing(
    panorama: tuple[int, int], tile: int, projection: Projection, *, above: bool, both: bool = False
) -> Preprocessing:
    """That of queries: whole panoramas, their views from above where one encoder sees these and tiles, or both.

    Args:
        panorama: height and width of panoramas for the networks of the data set, pixels.
        tile: width of tiles, pixels.
    """
    if not above and not both:
        return whole_image(panorama)
    enough = worth_decoding(projection, tile, panorama)
    if both:
        return Preprocessing(sheet_size(panorama, tile), enough, projection, panorama)
    return Preprocessing((tile, tile), enough, projection)


def sheet_size(panorama: tuple[int, int], tile: int) -> tuple[int, int]:
    """Height and width of a panorama with a square below it, pixels."""
    return panorama[0] + tile, max(panorama[1], tile)


def apart(
    sheets: UInt8[np.ndarray, "n h w 3"], panorama: tuple[int, int], tile: int
) -> tuple[UInt8[np.ndarray, "n p q 3"], UInt8[np.ndarray, "n t t 3"]]:
    """The panoramas and the views from above of sheets that show both."""
    height, width = panorama
    return sheets[:, :height, :width], sheets[:, height:, :tile]


def preprocessed(image: Image, how: Preprocessing, name: str = "the photo") -> UInt8[np.ndarray, "h w 3"]:
    """The image as an encoder sees it, and as the pipeline reads it.

    Args:
        name: what to call it in errors, where it has no name of its own.

    Raises:
        BadImage: it is not a whole image.
        OSError: it cannot be read.
    """
    whole = pixels(image, name, enough=how.enough)
    if how.above is None:
        return resize(whole, *how.size)
    if how.panorama is None:
        return from_above(how.above, whole, how.size[0])
    (height, width), tile = how.panorama, how.size[0] - how.panorama[0]
    sheet = np.zeros((*how.size, 3), np.uint8)
    sheet[:height, :width] = resize(whole, height, width)
    sheet[height:, :tile] = from_above(how.above, whole, tile)
    return sheet


def pixels(
    image: Image, name: str = "the photo", *, enough: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole image, decoded where it is not yet.

    Args:
        enough: height and width that the caller needs, see `ucvgl.images.decode.decode`.

    Raises:
        ValueError: an array that is not RGB, uint8 [h w 3].
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"pixels must be RGB, uint8 [height, width, 3], not {image.dtype} {list(image.shape)}")
        return image
    if isinstance(image, bytes):
        return decode(image, name, enough=enough)
    return load(os.fspath(image), enough=enough)
