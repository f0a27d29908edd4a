"""Panorama to bird's-eye view, by a sampling grid that is computed once per geometry."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from ucvgl.images.decode import resize
from ucvgl.projection.sphere import metric_fov_deg, panorama_of_bev
from ucvgl.settings.experiment import Projection

COLUMNS_PER_PIXEL = 8
"""Panorama columns per pixel of the BEV's side that are worth decoding. Below the camera a BEV pixel spans dozens of
rows, at the rim a row spans several BEV pixels: halving a panorama to this many gains below what it loses at the rim
(`docs/performance.md`)."""


class BirdsEye:
    """Callable that turns panoramas of one size into square bird's-eye views (UCVGL section 3.1.1).

    A panorama that was cropped says which elevations its first and last row have; BEV points that it does not
    show (the nadir of CVUSA) come out black.

    Raises:
        ValueError: fov outside (0, 180), or elevations that are not top > bottom within [-90, 90].
    """

    def __init__(
        self,
        size: int,
        panorama_height: int,
        panorama_width: int,
        *,
        fov_deg: float,
        top_elevation_deg: float = 90.0,
        bottom_elevation_deg: float = -90.0,
    ) -> None:
        if not 0 < fov_deg < 180:
            raise ValueError(f"projection fov_deg is {fov_deg}, it must lie between 0 and 180: a plane shows no more")
        if not -90 <= bottom_elevation_deg < top_elevation_deg <= 90:
            raise ValueError(
                f"the panorama spans {bottom_elevation_deg} to {top_elevation_deg} degrees of elevation; "
                "bottom must be below top, and both within -90 to 90"
            )
        if bottom_elevation_deg >= 0:
            raise ValueError(f"the panorama ends {bottom_elevation_deg} degrees above the horizon: it shows no ground")
        self.shape = (panorama_height, panorama_width, 3)
        centres = np.arange(size) + 0.5
        x, y = np.meshgrid(centres, centres)
        column, row = panorama_of_bev(
            x, y, bev_width=size, bev_height=size, panorama_width=panorama_width, panorama_height=180, fov_deg=fov_deg
        )
        span = top_elevation_deg - bottom_elevation_deg
        row = (row - 90 + top_elevation_deg) * panorama_height / span
        unseen = (row > panorama_height) | (row < 0)
        self._unseen = unseen if unseen.any() else None
        # Half-pixel centres. Left of the first column lies the last, so that the south seam interpolates.
        column = (column % panorama_width) + 0.5
        row = np.clip(row - 0.5, 0, panorama_height - 1)
        whole, fraction = cv2.convertMaps(column.astype(np.float32), row.astype(np.float32), cv2.CV_16SC2)
        self._maps = whole - np.array((1, 0), np.int16), fraction

    def __call__(self, panorama: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
        if panorama.shape != self.shape:
            raise ValueError(f"this projection is for panoramas of shape {self.shape}, not {panorama.shape}")
        bev = cv2.remap(panorama, *self._maps, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        if self._unseen is not None:
            bev[self._unseen] = 0
        return bev


@lru_cache(maxsize=8)
def birds_eye(settings: Projection, size: int, panorama_height: int, panorama_width: int) -> BirdsEye:
    """The projection that the settings ask for, from panoramas of one size to BEVs of `size` pixels.

    Args:
        size: side of a BEV, pixels.
        panorama_height: rows of a panorama, pixels, without what was cropped away.
    """
    fov_deg = settings.fov_deg
    if settings.metres_per_pixel:
        fov_deg = metric_fov_deg(
            size, metres_per_pixel=settings.metres_per_pixel, camera_height_m=settings.camera_height_m
        )
    return BirdsEye(
        size,
        panorama_height,
        panorama_width,
        fov_deg=fov_deg,
        top_elevation_deg=settings.top_elevation_deg,
        bottom_elevation_deg=settings.bottom_elevation_deg,
    )


def from_above(
    settings: Projection, panorama: UInt8[np.ndarray, "h w 3"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """What the encoder of tiles sees of a panorama: its bird's-eye view, or where `bev` is off the image as it is."""
    if not settings.bev:
        return resize(panorama, size, size)
    return birds_eye(settings, size, *panorama.shape[:2])(panorama)


def worth_decoding(settings: Projection, size: int, network: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a panorama below which its view from above or the network's input would be worse.

    Args:
        size: of the view from above, pixels.
        network: height and width at which the query encoder sees panoramas, pixels.
    """
    rows, columns = (0, COLUMNS_PER_PIXEL * size) if settings.bev else (size, size)
    return max(network[0], rows), max(network[1], columns)
