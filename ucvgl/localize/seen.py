"""An image as an encoder sees it, wherever it is embedded from; no torch, so that reading processes stay small."""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import UInt8

from ucvgl.data.decode import decode, read, resize

Image = str | os.PathLike | bytes | np.ndarray
"""A path or URI, the bytes of an image file, or RGB pixels (uint8, HWC)."""


def seen(image: Image, size: tuple[int, int], name: str = "the photo") -> UInt8[np.ndarray, "h w 3"]:
    """The image at the size of an encoder (height, width), as the pipeline reads it.

    Args:
        name: what to call it in errors, where it has no name of its own.

    Raises:
        BadImage: it is not a whole image.
        OSError: it cannot be read.
    """
    return resize(pixels(image, name, enough=size), *size)


def pixels(
    image: Image, name: str = "the photo", *, enough: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole image, decoded where it is not yet.

    Args:
        enough: height and width that the caller needs, see `ucvgl.data.decode.decode`.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"pixels must be RGB, uint8 [height, width, 3], not {image.dtype} {list(image.shape)}")
        return image
    if isinstance(image, bytes):
        return decode(image, name, enough=enough)
    uri = os.fspath(image)
    return decode(read(uri), uri, enough=enough)
