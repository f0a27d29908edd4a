"""Rows of images on one sheet, with captions and with frames that say right or wrong."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.images.decode import resize

Image = UInt8[np.ndarray, "h w 3"]

RIGHT = (31, 138, 76)
WRONG = (201, 58, 64)
PAPER = (255, 255, 255)
INK = (40, 44, 52)
GAP = 6
CAPTION = 16
"""Pixels above each row of images for its caption."""


def frame(image: Image, right: bool, *, width: int = 3) -> Image:
    """The image with its border painted green (right) or red (wrong); the size stays the same."""
    framed = np.empty_like(image)
    framed[:] = RIGHT if right else WRONG
    inner = slice(width, -width)
    framed[inner, inner] = image[inner, inner]
    return framed


def contact_sheet(
    rows: Sequence[Sequence[Image]],
    labels: Sequence[str] = (),
    *,
    height: int = 96,
    columns: Sequence[str] = (),
) -> Image:
    """Rows of images of any size, all `height` pixels tall, under each other and aligned by column.

    Args:
        labels: a caption above each row; none, or as many as rows.
        columns: a heading above each column of the first row.

    Raises:
        ValueError: there is no row, or not a label for each.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row of images")
    if labels and len(labels) != len(rows):
        raise ValueError(f"{len(labels)} labels for {len(rows)} rows of images")
    grid = [[_of_height(image, height) for image in row] for row in rows]
    count = max(map(len, grid))
    widths = [max(row[place].shape[1] for row in grid if place < len(row)) for place in range(count)]
    lefts = np.cumsum([GAP] + [width + GAP for width in widths])
    head = CAPTION if columns else 0
    step = height + GAP + (CAPTION if labels else 0)
    sheet = np.empty((head + GAP + step * len(grid), int(lefts[-1]), 3), np.uint8)
    sheet[:] = PAPER
    for text, left in zip(columns, lefts, strict=False):
        _write(sheet, text, int(left), head - 3)
    for place, row in enumerate(grid):
        top = head + GAP + place * step
        if labels:
            _write(sheet, labels[place], GAP, top + CAPTION - 5)
            top += CAPTION
        for image, left in zip(row, lefts, strict=False):
            sheet[top : top + height, left : left + image.shape[1]] = image
    return sheet


def lit(image: Image, heat: Float[np.ndarray, "h w"]) -> Image:
    """The image in grey, tinted from black to yellow by a map from 0 to 1 of any size."""
    height, width = image.shape[:2]
    strength = cv2.resize((255 * heat).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    colour = cv2.applyColorMap(strength, cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return (0.35 * grey + 0.65 * colour).round().astype(np.uint8)


def at_most(image: Image, height: int) -> Image:
    """The image shrunk to at most this height; a smaller one is left as it is."""
    return _of_height(image, height) if image.shape[0] > height else image


def _of_height(image: Image, height: int) -> Image:
    return resize(image, height, max(1, round(image.shape[1] * height / image.shape[0])))


def _write(sheet: Image, text: str, left: int, baseline: int) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(sheet, plain, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
