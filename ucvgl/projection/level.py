"""How far from level a photo was taken, as a small network sees it that was taught without labels.

A hand pitches and rolls a camera by a degree or three, and a degree moves what a photo shows at the horizon's foot by
metres: the ground 20 m before a camera at 2.5 m lies 7 degrees below the horizon. `ucvgl.training.fit_level` teaches
the network with photos that it turns by angles it has drawn itself. Here it is asked, by NumPy alone, as processes
that read images do without PyTorch.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ucvgl.images.decode import resize

FRAME, SEEN = 112, 96
"""Pixels along the side of the frame into which a photo is laid, and of its middle, which the network sees: a photo
that is turned by a few degrees still fills it."""
FIRST = 16
"""Channels of the first convolution; the others have 2, 4 and 4 times as many."""
CHANNELS = (FIRST, 2 * FIRST, 4 * FIRST, 4 * FIRST)
GROUPS, HIDDEN = 4, 64
"""Of the group normalisations after each convolution, and numbers in the layer before the last."""
SPREAD_DEG = 4.0
"""Standard deviation of the angles that photos are turned by; the network counts in these."""
EPSILON = 1e-5
LEAST_SPREAD = 1e-3

LEVEL = "level.npz"
"""The file that holds such a network, in a run's `2_project` and in an index."""

Weights = Sequence[Float32[np.ndarray, "..."]]


@dataclass(frozen=True)
class Level:
    """A network that tells pitch and roll.

    Args:
        weights: kernel, bias, scale and shift of each convolution, then matrix and bias of the last two layers.
        frame_deg: angle across the frame.

    Raises:
        ValueError: these are no weights of such a network.
    """

    weights: Weights
    frame_deg: float

    def __post_init__(self) -> None:
        if [some.shape for some in self.weights] != shapes():
            raise ValueError("these are no weights of a network that tells how far from level a photo was taken")
        if not (1 <= self.frame_deg < 180 and all(np.isfinite(some).all() for some in self.weights)):
            raise ValueError("the network that tells how far from level a photo was taken is damaged")

    def __call__(self, photo: UInt8[np.ndarray, "h w 3"], fov_deg: float) -> tuple[float, float]:
        """Pitch and roll of the camera, degrees: upwards, and clockwise as the camera sees.

        Half of what the photo says and half of what its mirror image says, which was rolled the other way.

        Args:
            fov_deg: angle across the photo's longer side.
        """
        frame, shown = framed(photo, fov_deg, self.frame_deg)
        (pitch, roll), (mirrored_pitch, mirrored_roll) = (
            self._told(standardised(middle(one).transpose(2, 0, 1)[None].astype(np.float32), shown[None]))
            for one in (frame, frame[:, ::-1])
        )
        return float(pitch + mirrored_pitch) / 2, float(roll - mirrored_roll) / 2

    def _told(self, image: Float32[np.ndarray, "1 3 s s"]) -> Float32[np.ndarray, " 2"]:
        features, weights = image[0], list(self.weights)
        for _ in CHANNELS:
            kernel, bias, scale, shift = (weights.pop(0) for _ in range(4))
            features = np.maximum(normalised(convolved(features, kernel, bias), scale, shift), 0)
        matrix, bias, last_matrix, last_bias = weights
        hidden = np.maximum(matrix @ features.ravel() + bias, 0)
        return SPREAD_DEG * (last_matrix @ hidden + last_bias)

    def to_bytes(self) -> bytes:
        """As its file holds it."""
        written = io.BytesIO()
        np.savez(written, np.float64(self.frame_deg), *self.weights)
        return written.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, origin: str) -> Level:
        """What `to_bytes` gave.

        Args:
            origin: what to call it in errors.

        Raises:
            ValueError: it is something else.
        """
        try:
            with np.load(io.BytesIO(content)) as found:
                frame_deg, *weights = (found[f"arr_{number}"] for number in range(len(shapes()) + 1))
            return cls([some.astype(np.float32) for some in weights], float(frame_deg))
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"{origin} cannot be used ({error}); make what it belongs to anew") from error


def shapes() -> list[tuple[int, ...]]:
    """Of a network's weights, one after the other."""
    found: list[tuple[int, ...]] = []
    for channels, wider in zip((3, *CHANNELS), CHANNELS, strict=False):
        found += [(wider, channels, 3, 3), (wider,), (wider,), (wider,)]
    cells = (SEEN // 2 ** len(CHANNELS)) ** 2
    return [*found, (HIDDEN, CHANNELS[-1] * cells), (HIDDEN,), (2, HIDDEN), (2,)]


def framed(
    photo: UInt8[np.ndarray, "h w 3"], fov_deg: float, frame_deg: float
) -> tuple[UInt8[np.ndarray, "f f 3"], Float32[np.ndarray, " 2"]]:
    """A photo in the middle of a square, a degree as large as in any other, and which share of rows and columns it is.

    Around it stands its mirror image: no photo tells by its border how it was turned.

    Args:
        fov_deg: angle across the photo's longer side.
        frame_deg: across the square.
    """
    size = FRAME * math.tan(math.radians(fov_deg) / 2) / math.tan(math.radians(frame_deg) / 2)
    scale = size / max(photo.shape[:2])
    photo = resize(photo, *(max(2, round(side * scale)) for side in photo.shape[:2]))
    short = [max(0, FRAME - side) for side in photo.shape[:2]]
    (above, below), (left, right) = ((side // 2, side - side // 2) for side in short)
    wide = cv2.copyMakeBorder(photo, above, below, left, right, cv2.BORDER_REFLECT_101)
    top, left = ((side - FRAME) // 2 for side in wide.shape[:2])
    shares = [min(1.0, side / FRAME) for side in photo.shape[:2]]
    return wide[top : top + FRAME, left : left + FRAME], np.array(shares, np.float32)


def middle(frame: UInt8[np.ndarray, "f f 3"]) -> UInt8[np.ndarray, "s s 3"]:
    """What the network sees of a frame."""
    edge = (FRAME - SEEN) // 2
    return frame[edge : edge + SEEN, edge : edge + SEEN]


def standardised(
    images: Float32[np.ndarray, "n 3 s s"], shown: Float32[np.ndarray, "n 2"]
) -> Float32[np.ndarray, "n 3 s s"]:
    """Images of mean 0 and spread 1 where they show the photo, and 0 elsewhere.

    Args:
        shown: share of rows and columns; of the middle of a photo as much is shown as of the photo.
    """
    away = np.abs((np.arange(SEEN) + 0.5) / SEEN - 0.5) * 2
    rows, columns = (away < share[:, None] for share in shown.T)
    inside = (rows[:, None, :, None] & columns[:, None, None, :]).astype(np.float32)
    count = 3 * inside.sum((1, 2, 3), keepdims=True)
    centred = (images - (images * inside).sum((1, 2, 3), keepdims=True) / count) * inside
    spread = np.sqrt((centred**2).sum((1, 2, 3), keepdims=True) / count)
    return centred / np.maximum(spread, LEAST_SPREAD)


def convolved(
    features: Float32[np.ndarray, "c h w"], kernel: Float32[np.ndarray, "k c 3 3"], bias: Float32[np.ndarray, " k"]
) -> Float32[np.ndarray, "k r q"]:
    """A convolution of 3 x 3, every second row and column, zeros around."""
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    channels, rows, columns = patches.shape[:3]
    flat = patches.transpose(0, 3, 4, 1, 2).reshape(channels * 9, rows * columns)
    return (kernel.reshape(len(kernel), -1) @ flat + bias[:, None]).reshape(-1, rows, columns)


def normalised(
    features: Float32[np.ndarray, "c h w"], scale: Float32[np.ndarray, " c"], shift: Float32[np.ndarray, " c"]
) -> Float32[np.ndarray, "c h w"]:
    """Group normalisation."""
    grouped = features.reshape(GROUPS, -1)
    grouped = grouped - grouped.mean(1, keepdims=True)
    grouped = grouped / np.sqrt((grouped**2).mean(1, keepdims=True) + EPSILON)
    return grouped.reshape(features.shape) * scale[:, None, None] + shift[:, None, None]
