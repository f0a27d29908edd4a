"""Where a bird's-eye-view pixel lies on the panorama (UCVGL equation 2, corrected).

Conventions: the panorama is equirectangular, its centre column looks north, azimuth grows clockwise to the right;
the bird's-eye view is north up, east right. Coordinates are continuous: 0 is the left or top edge of the first pixel,
whose centre is 0.5. The printed equation 2 has two slips (`tan(fov)` for `tan(fov/2)`, and `/pi` inside the
arctangent); these are the forms that its geometry, and the released code, follow.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float


def focal_length(bev_width: float, fov_deg: float) -> float:
    """Distance of the nadir camera's image plane, in BEV pixels: f = (Ws/2) / tan(fov/2)."""
    return 0.5 * bev_width / math.tan(math.radians(fov_deg) / 2)


def metric_fov_deg(bev_width: int, *, metres_per_pixel: float, camera_height_m: float) -> float:
    """Field of view at which a BEV pixel covers so many metres of flat ground: f = camera height / metres per pixel."""
    return 2 * math.degrees(math.atan(0.5 * bev_width * metres_per_pixel / camera_height_m))


def panorama_of_bev(
    x: Float[np.ndarray, "..."],
    y: Float[np.ndarray, "..."],
    *,
    bev_width: int,
    bev_height: int,
    panorama_width: int,
    panorama_height: int,
    fov_deg: float,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Column and row of the full-sphere panorama that a BEV point sees (equation 2).

    A point at distance d from the centre looks down at elevation atan2(-f, d); rows run from +90 to -90 degrees.

    Args:
        x: column of the point on the BEV, pixels.
        y: its row.
        fov_deg: field of view of the nadir camera that sees the BEV.
    """
    west, north = bev_width / 2 - x, bev_height / 2 - y
    distance = np.hypot(west, north)
    column = (1 - np.arctan2(west, north) / math.pi) * panorama_width / 2
    row = (0.5 + np.arctan2(focal_length(bev_width, fov_deg), distance) / math.pi) * panorama_height
    return column, row
