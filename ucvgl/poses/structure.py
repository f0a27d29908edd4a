"""What of an image survives a change of camera, season and light: where edges are and which way they run.

The structure tensor of each channel of CIELAB (lightness, green to red, blue to yellow), as a saturated strength and
the doubled angle. Doubled, an angle is that of a line and not of a step, so that bright on dark is dark on bright;
saturated, a kerb counts nearly as much as a shadow; and a road that is seen by its hue alone has edges too.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ucvgl.images.mirror_images import mirror_image

CHANNELS = 9
KNEE = 0.5
"""Strength of an edge that counts half, against the mean of its image."""

CELLS = 12
"""Cells along each side of what is described."""
WIDTH = 1 / 25
"""Standard deviation of a cell's window, as a share of the image's side: cells overlap, so that a camera that stands a
little aside, or is turned a little, does not move edges over their borders (`docs/reproduce.md`)."""
LEAST_SHOWN = 0.3
"""Share of a cell's window that an image must show for the cell to say anything."""
SPECK, RIM = 5, 2
"""Pixels: a black square of at least this side is not shown, and around it interpolation and gradients mix it in."""
DIMENSION = CELLS * CELLS * CHANNELS
"""Numbers in a descriptor."""
SHRINKAGE = 0.3
"""Of the whitening of such descriptors: of .03, .3 and 1 the best or nearly so on three worlds."""


def describe(
    images: UInt8[np.ndarray, "n h w 3"], *, mirrored: bool = False
) -> Float32[np.ndarray, "n d"]:
    """Unit-norm descriptors of views from above, north up, without training: the structure of their cells.

    As many views at a time as PyTorch has threads, as it takes longer than a network on a card.

    Whitened (`ucvgl.pseudo_labels.whitening`), the descriptors of a bird's-eye view and of its tile are alike. A cell
    that shows nothing is 0, which whitening takes for its mean. An image of one colour, as a server gives where it has
    none, is as strong everywhere and runs no way.

    Args:
        mirrored: describe their mirror images instead.
    """
    import torch  # here, as processes that read images know this module, and stay without PyTorch

    down, right = (windows(side) for side in images.shape[1:3])
    cells = np.zeros((len(images), CELLS * CELLS, CHANNELS), np.float32)

    def look_at(number: int) -> None:
        image = mirror_image(images[number]) if mirrored else images[number]
        inside = shown(image)
        means = down @ (structure(image, inside) @ right.T)
        cells[number] = means.reshape(CHANNELS, -1).T
        if inside is not None:
            share = (down @ inside @ right.T).reshape(-1, 1)
            cells[number] = np.where(share > LEAST_SHOWN, cells[number] / np.maximum(share, LEAST_SHOWN), 0)
        elif not cells[number].any():
            cells[number, :, : CHANNELS // 3] = 1

    with ThreadPoolExecutor(min(torch.get_num_threads(), max(1, len(images)))) as pool:
        list(pool.map(look_at, range(len(images))))
    vectors = cells.reshape(len(images), DIMENSION)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def shown(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"] | None:
    """1 where an image shows something, and so do the pixels around it, else 0; None where it does so everywhere.

    What a panorama does not show, its bird's-eye view leaves black, in one piece: single black pixels are shadows. An
    image that shows nothing is of one colour.
    """
    black = ((image[..., 0] | image[..., 1] | image[..., 2]) == 0).astype(np.uint8)  # seven times as fast as `any`
    if not black.any() or black.all():
        return None
    black = cv2.erode(black, np.ones((SPECK, SPECK), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    if not black.any():
        return None
    wider = SPECK + 2 * RIM
    return (cv2.dilate(black, np.ones((wider, wider), np.uint8)) == 0).astype(np.float32)


def structure(
    image: UInt8[np.ndarray, "h w 3"], inside: Float32[np.ndarray, "h w"] | None = None
) -> Float32[np.ndarray, "9 h w"]:
    """Per channel and pixel s, s cos 2a and s sin 2a, with the edge's strength s in 0 to 1 and the angle a across it.

    s = g / (g + KNEE mean(g)) with g the length of the channel's gradient; the angle grows from right to down.

    Args:
        inside: 1 where the image shows something, as `shown` says; elsewhere all is 0. None: it does so everywhere.
    """
    lab = cv2.split(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB))
    right, down = np.empty((2, 3, *image.shape[:2]), np.float32)
    for number, plane in enumerate(lab):
        cv2.Sobel(plane, cv2.CV_32F, 1, 0, dst=right[number])
        cv2.Sobel(plane, cv2.CV_32F, 0, 1, dst=down[number])
    length = np.sqrt(right * right + down * down)
    count = image.shape[0] * image.shape[1]
    if inside is not None:
        length, right, down = length * inside, right * inside, down * inside
        count = max(float(inside.sum()), 1.0)
    usual = (length.sum((1, 2)) / np.float32(count))[:, None, None]
    saturated = 1 / (length + np.float32(KNEE) * usual + np.float32(1e-3))
    turned = saturated / (length + np.float32(1e-3))
    found = np.empty((3, *length.shape), np.float32)
    np.multiply(length, saturated, out=found[0])
    np.multiply(right * right - down * down, turned, out=found[1])
    np.multiply(2 * right * down, turned, out=found[2])
    return found.reshape(CHANNELS, *image.shape[:2])


@lru_cache(maxsize=8)
def windows(side: int) -> Float32[np.ndarray, "r h"]:
    """How much each pixel along a side counts in each cell: Gaussian windows whose sums are 1."""
    centre = (np.arange(CELLS)[:, None] + 0.5) / CELLS
    pixel = (np.arange(side) + 0.5) / side
    window = np.exp(-(((pixel - centre) / WIDTH) ** 2) / 2)
    return (window / window.sum(1, keepdims=True)).astype(np.float32)


def pooled(field: Float[np.ndarray, "h w c"], rows: int, columns: int) -> Float[np.ndarray, "r k c"]:
    """Mean over cells."""
    return cv2.resize(field, (columns, rows), interpolation=cv2.INTER_AREA)
