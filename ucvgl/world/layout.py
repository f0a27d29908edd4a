"""Where cameras and tiles of a world lie, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ucvgl.world.panorama import camera_pose, view_generator
from ucvgl.world.world import World, places


@dataclass(frozen=True)
class Layout:
    """What is rendered of a world.

    Args:
        spots: x and y near which each camera stands, in metres.
        tiles: x and y of the middle of each tile.
        own: the tile that each camera belongs to.
        near: further tiles that show where it stands, as many for each camera.
    """

    spots: Float[np.ndarray, "q 2"]
    tiles: Float[np.ndarray, "t 2"]
    own: Int[np.ndarray, " q"]
    near: Int[np.ndarray, "q n"]


def layout_of(world: World, count: int) -> Layout:
    """So many cameras and their tiles: a tile in the middle of which each stands, or those of a seamless area.

    Raises:
        ValueError: the world has room for fewer cameras.
    """
    lay = _seamless if world.look.seamless else _each_its_own
    return lay(world, count)


def _each_its_own(world: World, count: int) -> Layout:
    spots = _enough(places(world), count, world)
    return Layout(spots, spots, np.arange(count), np.empty((count, 0), int))


def _seamless(world: World, count: int) -> Layout:
    """Tiles at half their side from each other (VIGOR, section 3): a camera stands in the central half of its own, and
    three others show the place as well. The cameras are those nearest to the middle of the world, close together."""
    stride = world.look.tile_side_m / 2
    spots = places(world, spacing_m=stride / 2)
    off_middle = np.abs(spots - world.side_m / 2).max(1)
    spots = _enough(spots[np.argsort(off_middle, kind="stable")], count, world)
    cameras = [camera_pose(world, spot, view_generator(world, k))[:2] for k, spot in enumerate(spots)]
    at = np.array(cameras) / stride  # tiles lie at whole numbers
    nearest = np.rint(at).astype(int)
    beside = nearest + np.where(at < nearest, -1, 1)
    low, high = nearest.min(0) - 1, nearest.max(0) + 1
    wide = high[0] - low[0] + 1
    row, column = np.indices((high[1] - low[1] + 1, wide)).reshape(2, -1)

    def number(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (y - low[1]) * wide + x - low[0]

    (x, y), (x_beside, y_beside) = nearest.T, beside.T
    near = np.stack([number(x_beside, y), number(x, y_beside), number(x_beside, y_beside)], axis=1)
    return Layout(spots, stride * (np.stack([column, row], axis=1) + low), number(x, y), near)


def _enough(spots: np.ndarray, count: int, world: World) -> np.ndarray:
    if len(spots) < count:
        raise ValueError(f"world {world.seed} has room for {len(spots)} places, {count} were asked for")
    return spots[:count]
