"""Where the camera of a photo stood: from a pose on a tile to metres, latitude and longitude."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.index.trained_run import TrainedRun
from ucvgl.poses.placing import KNOWN, Placing, Pose, learned, likeness, place
from ucvgl.poses.turns import TURNS
from ucvgl.settings.experiment import Experiment

METRES_PER_DEGREE = 111_320.0
NEAR_A_TURN = tuple(float(turn) for turn in range(-15, 16, 3))
"""Headings that are tried around the turn at which a tile was found, degrees."""
MOST_PAIRS = 100
"""Bird's-eye views and tiles from which placing is learned: seconds."""


@dataclass(frozen=True)
class Camera:
    """Where a photo was taken, if its first tile is the true one.

    Args:
        east: of the tile's middle.
        radius: that holds the camera with 68 %.
        tile_side: what the tile spans.
        unit: of these: metres where the tiles' size is known, else pixels of the tile.
        lat: degrees; None where the tile has no coordinates or no known size.
        heading_deg: of the panorama's middle, clockwise from north, in 0 to 360.
        heading_radius_deg: that holds the heading with 68 %.
    """

    east: float
    north: float
    radius: float
    tile_side: float
    unit: Literal["m", "px"]
    lat: float | None
    lon: float | None
    heading_deg: float
    heading_radius_deg: float


def camera(pose: Pose, *, tile_side_m: float | None, tile_pixels: int, lat: float | None, lon: float | None) -> Camera:
    """A pose in units that mean something.

    Args:
        tile_side_m: None where nobody knows it.
        tile_pixels: width of the tile's image.
        lat: of the tile's middle.
    """
    unit: Literal["m", "px"] = "px" if tile_side_m is None else "m"
    side = tile_pixels if tile_side_m is None else tile_side_m
    east, north = pose.east * side, pose.north * side
    if tile_side_m is not None and lat is not None and lon is not None:
        lat, lon = moved(lat, lon, east, north)
    else:
        lat = lon = None
    heading = pose.heading_deg % 360, pose.heading_radius_deg
    return Camera(east, north, pose.radius * side, side, unit, lat, lon, *heading)


def pose_of(
    ground: UInt8[np.ndarray, "s s 3"],
    tile: UInt8[np.ndarray, "t t 3"],
    placing: Placing,
    *,
    heading_deg: float | None = None,
) -> Pose:
    """The most probable pose of a camera on its tile.

    Args:
        ground: what the camera is placed by.
        heading_deg: of its panorama's middle, to the nearest turn; None: it is said to look north.
    """
    if heading_deg is None:
        return place(ground, tile, placing)
    off = math.hypot(placing.off_north_deg, 360 / TURNS / math.sqrt(12))
    return place(ground, tile, replace(placing, off_north_deg=off), NEAR_A_TURN, around_deg=heading_deg)


def moved(lat: float, lon: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Latitude and longitude so many metres away, on a plane: good for a tile, and across the date line.

    Args:
        lat: degrees, as is what is returned.
    """
    to_east = east_m / (METRES_PER_DEGREE * max(math.cos(math.radians(lat)), 1e-9))
    return lat + north_m / METRES_PER_DEGREE, (lon + to_east + 180) % 360 - 180


def tile_side_of(experiment: Experiment) -> float | None:
    """Metres that a tile spans, where the settings of a run tell; None where they do not."""
    projection, dataset = experiment.projection, experiment.dataset
    if dataset.name == "synthetic":
        return dataset.synthetic.look.tile_side_m
    if projection.metres_per_pixel:
        return projection.metres_per_pixel * dataset.tile_size
    if projection.bev and projection.camera_height_m:
        return 2 * projection.camera_height_m * math.tan(math.radians(projection.fov_deg) / 2)
    return None


def placing_of(run: TrainedRun) -> tuple[Placing | None, str]:
    """How photos are placed on tiles, learned from the run's held-out images without a label; or why they are not.

    The pairs are those that are each other's best by the run's descriptors.
    """
    if not run.experiment.projection.bev:
        return None, "the run projected no bird's-eye views"
    pairs = run.held_out_pairs(MOST_PAIRS)
    if pairs is None:
        return None, "the run has no evaluated validation images that it was not trained on"
    bevs, tiles = pairs
    try:
        return learned(halves_of(bevs, tiles), halves_of(bevs, np.roll(tiles, 1, axis=0))), ""
    except ValueError as error:
        return None, str(error)


def halves_of(
    bevs: UInt8[np.ndarray, "n b b 3"], tiles: UInt8[np.ndarray, "n t t 3"]
) -> Float[np.ndarray, "n 2 k y x"]:
    """The likeness of pairs, as `ucvgl.poses.placing.learned` takes it."""
    found = [likeness(bev, tile, KNOWN) for bev, tile in zip(bevs, tiles, strict=True)]
    return np.stack(found) if found else np.empty((0, 2, len(KNOWN), 1, 1), np.float32)
