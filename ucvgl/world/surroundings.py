"""What one image shows of a world: the solids around it, today's cars, the sun and its shadows."""

from __future__ import annotations

import cv2
import numpy as np

from ucvgl.world.palette import Palette
from ucvgl.world.shade import Light, Scene
from ucvgl.world.solids import CABIN, CAR, SOLID, box
from ucvgl.world.visibility import look_down
from ucvgl.world.world import World

SHADE_CELL_M = 0.25


def surroundings(
    world: World, x: float, y: float, rng: np.random.Generator, palette: Palette, light: Light, *,
    reach_m: float, shade_reach_m: float, clear_m: float,
) -> Scene:  # fmt: skip
    """The scene around a point, solids sorted from near to far.

    Args:
        reach_m: how far solids are seen.
        shade_reach_m: how far shadows are seen.
        clear_m: no car stands nearer than this.
    """
    solids = np.concatenate([world.solids, _cars(world, x, y, rng, reach_m, clear_m)])
    distance = np.hypot(solids["x"] - x, solids["y"] - y) - solids["reach"]
    order = np.argsort(distance, kind="stable")
    solids = solids[order[: np.searchsorted(distance[order], reach_m)]]
    cells = int(2 * shade_reach_m / SHADE_CELL_M)
    west, south = x - shade_reach_m, y - shade_reach_m
    shade = np.zeros((2, 2), np.float32)
    if light.shadow:
        lean = -light.sun_x / light.sun_z, -light.sun_y / light.sun_z
        _, which, _ = look_down(solids, west, south, SHADE_CELL_M, cells, *lean)
        shade = cv2.blur((which >= 0).astype(np.float32), (3, 3))
    light = light._replace(west=west, south=south, texture=world.seed)
    colours = np.concatenate(palette)
    unlike = np.exp(rng.normal(0, world.level.materials, (len(colours), 1)))
    return Scene(world.ground, solids, (colours * unlike).astype(np.float32), shade, light)


def draw_light(
    world: World, rng: np.random.Generator, *, azimuth: tuple[float, float], elevation: tuple[float, float],
    visibility_m: float,
) -> Light:  # fmt: skip
    """Sun and weather of an image; azimuth (clockwise from north) and elevation in degrees."""
    turn, up = np.deg2rad(rng.uniform(*azimuth)), np.deg2rad(rng.uniform(*elevation))
    strength = world.level.shadow * rng.uniform(0.75, 1.1)
    return Light(
        float(np.cos(up) * np.sin(turn)), float(np.cos(up) * np.cos(turn)), float(np.sin(up)),
        float(strength), float(world.level.field), int(rng.integers(1 << 30)),
        float(rng.uniform(0, 0.6)), visibility_m, 0.0, 0.0, SHADE_CELL_M, 0, world.look.texture, world.level.litter,
    )  # fmt: skip


def _cars(
    world: World, x: float, y: float, rng: np.random.Generator, reach_m: float, clear_m: float
) -> np.ndarray:
    """Cars on a random share of their places; another draw in the other view of the same place."""
    near = np.hypot(world.car_places[:, 0] - x, world.car_places[:, 1] - y)
    there = world.car_places[(near < min(reach_m, 90)) & (near > clear_m)]
    there = there[rng.random(len(there)) < world.level.cars]
    solids = []
    for east, north, yaw in there:
        slide, length, width = rng.normal(0, 0.5), rng.uniform(3.9, 4.9), rng.uniform(1.7, 1.95)
        tall, seed = rng.uniform(1.35, 1.75), int(rng.integers(1 << 30))
        east, north, yaw = east + slide * np.cos(yaw), north + slide * np.sin(yaw), yaw + rng.normal(0, 0.03)
        solids.append(box(CAR, east, north, length, width, yaw, 0.12, 0.55 * tall, seed))
        back = -0.06 * length
        cabin = (east + back * np.cos(yaw), north + back * np.sin(yaw))
        solids.append(box(CABIN, *cabin, 0.56 * length, 0.88 * width, yaw, 0.55 * tall, tall, seed))
    return np.array(solids, SOLID)
