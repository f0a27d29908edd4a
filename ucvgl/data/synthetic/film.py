"""From colours to a photograph: exposure, contrast, white balance and noise, drawn for each image."""

from __future__ import annotations

import cv2
import numpy as np

from ucvgl.data.synthetic.levels import Level


def expose(colours: np.ndarray, level: Level, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Develop linear colours [h w 3] into an image of `size` (height, width), averaging over its pixels."""
    image = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_AREA)
    tone = level.tone
    balance = np.exp(rng.normal(0, 0.06 * tone, 3))
    exposure = np.exp(rng.normal(0, 0.16 * tone))
    gamma = np.exp(rng.normal(0, 0.16 * tone))
    image = 255 * np.clip(image * (exposure * balance / 255), 0, 1.6) ** gamma
    image = np.where(image > 215, 215 + 40 * np.tanh((image - 215) / 40), image)
    if level.noise:
        image = image + rng.normal(0, level.noise * rng.uniform(0.5, 1.2), image.shape[:2])[..., None]
        image = image + rng.normal(0, 0.4 * level.noise, image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
