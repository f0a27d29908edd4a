"""A drone flies around a building: where it takes its pictures, and what they show; and a photo from the street."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from ucvgl.world.camera import Camera, aimed
from ucvgl.world.exposure import expose
from ucvgl.world.perspective import first_met, photograph
from ucvgl.world.solids import BLOCK, HOUSE
from ucvgl.world.surroundings import draw_light, surroundings
from ucvgl.world.world import World

EDGE_M = 64
"""No building that is flown around is nearer to the world's edge."""
TURN = math.pi * (3 - math.sqrt(5))
"""From one picture to the next, radians: by the golden angle, pictures spread evenly whatever their number."""
DEPRESSION_DEG = (62.0, 33.0)
"""Of the building seen from the first, highest picture and from the last."""
DISTANCE_M = (68.0, 50.0)
FOV_DEG = 46.0
STREET_FOV_DEG = 75.0
REACH_M = 170.0
SPOTS = 4
"""Nearest places of a street that a photo of a building is tried from."""
STEP_BACK = 1.2
"""A photo is taken from this many heights of the building away."""
LEAST_SHARE = 0.04
"""A building that fills less of the photo is taken to be hidden."""


def buildings(world: World) -> Shaped[np.ndarray, " n"]:
    """The houses and blocks that are flown around, in random order, their middles `spacing_m` apart."""
    solids = world.solids[np.isin(world.solids["style"], (HOUSE, BLOCK))]
    middle = np.stack([solids["x"], solids["y"]], axis=1)
    inside = (middle > EDGE_M).all(1) & (middle < world.side_m - EDGE_M).all(1)
    kept: list[int] = []
    for row in np.random.default_rng([world.seed, 7]).permutation(np.flatnonzero(inside)):
        if not kept or np.hypot(*(middle[kept] - middle[row]).T).min() > world.level.spacing_m:
            kept.append(int(row))
    return solids[kept]


def flight(world: World, building: np.void, view_seed: int, *, views: int) -> list[Camera]:
    """The cameras of a flight: a spiral down around a building, begun at a random azimuth."""
    rng = np.random.default_rng([world.seed, view_seed, 8])
    first, size = rng.uniform(0, 2 * math.pi), rng.uniform(0.9, 1.1)
    cameras = []
    for k in range(views):
        share = k / max(views - 1, 1)
        yaw = math.radians(rng.normal() * world.level.yaw_jitter_deg)
        azimuth = first + TURN * k + yaw
        depression = math.radians(_between(DEPRESSION_DEG, share))
        away = size * _between(DISTANCE_M, share)
        east, north = rng.normal(size=2) * world.level.position_jitter_m
        target = float(building["x"]) + east, float(building["y"]) + north, 0.4 * float(building["top"])
        flat = away * math.cos(depression)
        eye = (
            target[0] + flat * math.sin(azimuth),
            target[1] + flat * math.cos(azimuth),
            target[2] + away * math.sin(depression),
        )
        cameras.append(aimed(eye, target, math.radians(FOV_DEG)))
    return cameras


def render_flight(
    world: World, building: np.void, view_seed: int, *, views: int, size: int
) -> list[UInt8[np.ndarray, "s s 3"]]:
    """The pictures of a flight: one sun, one set of parked cars, another exposure in each."""
    rng = np.random.default_rng([world.seed, view_seed, 9])
    light = draw_light(world, rng, azimuth=(80, 290), elevation=(28, 62), visibility_m=900.0)
    x, y = float(building["x"]), float(building["y"])
    scene = surroundings(world, x, y, rng, world.below, light, reach_m=REACH_M, shade_reach_m=70, clear_m=0)
    return [
        expose(photograph(scene, camera, size), world.level, rng)
        for camera in flight(world, building, view_seed, views=views)
    ]


def render_street(
    world: World, building: np.void, spots: Float[np.ndarray, "n 2"], view_seed: int, *, size: int
) -> UInt8[np.ndarray, "s s 3"] | None:
    """A photo of a building from the near spot that shows most of it; None where it is hidden from all of them."""
    rng = np.random.default_rng([world.seed, view_seed, 10])
    light = draw_light(world, rng, azimuth=(80, 290), elevation=(28, 62), visibility_m=world.look.visibility_m)
    x, y = float(building["x"]), float(building["y"])
    scene = surroundings(world, x, y, rng, world.below, light, reach_m=REACH_M, shade_reach_m=70, clear_m=0)
    this = (scene.solids["x"] == x) & (scene.solids["y"] == y) & (scene.solids["style"] == building["style"])
    away = np.hypot(*(spots - (x, y)).T)
    far = np.flatnonzero(away > building["reach"] + STEP_BACK * building["top"])
    best, most = None, LEAST_SHARE
    for spot in spots[far[np.argsort(away[far])[:SPOTS]]]:
        eye = (float(spot[0]), float(spot[1]), world.look.camera_height_m)
        camera = aimed(eye, (x, y, 0.5 * float(building["top"])), math.radians(STREET_FOV_DEG))
        met = first_met(scene.solids, camera, 32)
        share = float((met == np.flatnonzero(this)[0]).mean())
        if share > most:
            best, most = camera, share
    return expose(photograph(scene, best, size), world.level, rng) if best else None


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
