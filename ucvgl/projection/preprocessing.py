"""An image as an encoder sees it, wherever it is embedded from; no torch, so that reading processes stay small."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage, decode, load, resize
from ucvgl.images.exif import Exif, exif_of
from ucvgl.images.storage import read
from ucvgl.projection.birdseye import from_above, worth_decoding
from ucvgl.projection.level import Level
from ucvgl.projection.photo import panorama_of
from ucvgl.settings.dataset import Lens
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
        lens: how photos become parts of panoramas; None where they are panoramas.
        level: tells how far from level a photo was taken; None: all were level.
    """

    size: tuple[int, int]
    enough: tuple[int, int]
    above: Projection | None = None
    panorama: tuple[int, int] | None = None
    lens: Lens | None = None
    level: Level | None = None


class Query(NamedTuple):
    """A photo as it was decoded, the panorama that it is a part of, north in the middle, and where the photo's middle
    is said to look, degrees clockwise from north."""

    photo: UInt8[np.ndarray, "h w 3"]
    panorama: UInt8[np.ndarray, "r c 3"]
    looked_deg: float


def whole_image(size: tuple[int, int]) -> Preprocessing:
    """That of an encoder that sees whole images at this size."""
    return Preprocessing(size, size)


def query_preprocessing(
    panorama: tuple[int, int],
    tile: int,
    projection: Projection,
    *,
    above: bool,
    both: bool = False,
    lens: Lens | None = None,
    level: Level | None = None,
) -> Preprocessing:
    """That of queries: whole panoramas, their views from above where one encoder sees these and tiles, or both.

    Args:
        panorama: height and width of panoramas for the networks of the data set, pixels.
        tile: width of tiles, pixels.
        lens: how photos become parts of panoramas, where they are none.
        level: tells how far from level they were taken.
    """
    photos = {"lens": lens, "level": level}
    if not above and not both:
        return Preprocessing(panorama, panorama, **photos)
    enough = worth_decoding(projection, tile, panorama)
    if both:
        return Preprocessing(sheet_size(panorama, tile), enough, projection, panorama, **photos)
    return Preprocessing((tile, tile), enough, projection, **photos)


def sheet_size(panorama: tuple[int, int], tile: int) -> tuple[int, int]:
    """Height and width of a panorama with a square below it, pixels."""
    return panorama[0] + tile, max(panorama[1], tile)


def apart(
    sheets: UInt8[np.ndarray, "n h w 3"], panorama: tuple[int, int], tile: int
) -> tuple[UInt8[np.ndarray, "n p q 3"], UInt8[np.ndarray, "n t t 3"]]:
    """The panoramas and the views from above of sheets that show both."""
    height, width = panorama
    return sheets[:, :height, :width], sheets[:, height:, :tile]


def preprocessed(whole: UInt8[np.ndarray, "h w 3"], how: Preprocessing) -> UInt8[np.ndarray, "r c 3"]:
    """A tile, or a panorama, as an encoder sees it, and as the pipeline reads it."""
    if how.above is None:
        return resize(whole, *how.size)
    if how.panorama is None:
        return from_above(how.above, whole, how.size[0])
    (height, width), tile = how.panorama, how.size[0] - how.panorama[0]
    sheet = np.zeros((*how.size, 3), np.uint8)
    sheet[:height, :width] = resize(whole, height, width)
    sheet[height:, :tile] = from_above(how.above, whole, tile)
    return sheet


def query_of(
    image: Image, how: Preprocessing, name: str = "the photo", *, heading_deg: float | None = None
) -> Query:
    """A photo and the panorama that it is a part of, decoded.

    Args:
        name: what to call it in errors, where it has no name of its own.
        heading_deg: where its middle looks, clockwise from north; None, or not a number, as Ray hands on what is
            missing: as its EXIF says, or, of a panorama, to north.

    Raises:
        BadImage: it is not a whole image, or a photo that does not say how wide it saw, or where it looked.
        OSError: it cannot be read.
    """
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        image = read(name, most=MAX_BYTES)
    photo = pixels(image, name, enough=how.enough)
    heading_deg = None if heading_deg is None or math.isnan(heading_deg) else heading_deg
    if how.lens is None:
        return Query(photo, turned_north(photo, heading_deg or 0.0), heading_deg or 0.0)
    lens, told = how.lens, exif_of(image) if isinstance(image, bytes) else Exif()
    fov_deg = fov_of(told, lens, name)
    looks = told.heading_deg if heading_deg is None else heading_deg
    if looks is None:
        raise BadImage(name, "nobody says where it looked, nor its EXIF: give a heading, or have it searched (unknown)")
    tilt = (0.0, 0.0) if how.level is None else how.level(photo, fov_deg)
    return Query(photo, panorama_of(photo, lens, fov_deg=fov_deg, heading_deg=looks, tilt_deg=tilt), looks)


def fov_of(told: Exif, lens: Lens, name: str) -> float:
    """The angle across a photo's longer side, degrees: that of all photos, or as its EXIF tells.

    Args:
        told: its EXIF.
        name: what to call it in errors.

    Raises:
        BadImage: nobody says how wide it saw, or what is said is none of a photo.
    """
    fov_deg = lens.fov_deg or told.fov_deg
    if fov_deg is None:
        raise BadImage(name, "its EXIF does not say how wide it saw; give the angle across the longer side")
    if not 1 <= fov_deg <= lens.WIDEST:
        raise BadImage(name, f"its EXIF says that it saw {fov_deg:.3g} degrees; from 1 to {lens.WIDEST:g} can be used")
    return fov_deg


def turned_north(panorama: UInt8[np.ndarray, "h w 3"], heading_deg: float) -> UInt8[np.ndarray, "h w 3"]:
    """The panorama with north in its middle, to a column.

    Args:
        heading_deg: where its middle looks now, clockwise from north.
    """
    columns = round(heading_deg / 360 * panorama.shape[1])
    return np.roll(panorama, columns, axis=1) if columns else panorama


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
