"""From colours to a photograph: exposure, contrast, white balance and noise, drawn for each image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.world.levels import Level


def expose(
    colours: Float[np.ndarray, "h w 3"], level: Level, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Develop colours, 0 to 255 and beyond, into an image."""
    tone = level.tone
    balance = np.exp(rng.normal(0, 0.06 * tone, 3))
    exposure = np.exp(rng.normal(0, 0.16 * tone))
    gamma = np.exp(rng.normal(0, 0.16 * tone))
    scale = (exposure * balance / 255).astype(np.float32)
    image = 255 * np.clip(colours * scale, 0, 1.6) ** np.float32(gamma)
    np.copyto(image, 165 + 85 * np.tanh((image - 165) / 85), where=image > 165)
    if level.noise:
        grain = rng.standard_normal((*image.shape[:2], 4), np.float32)
        strength = np.float32(level.noise * rng.uniform(0.5, 1.2))
        image += strength * (grain[..., :1] + np.float32(0.4) * grain[..., 1:])
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
