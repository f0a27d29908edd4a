"""Worlds that differ on purpose, on which one setting has to do: what describes their images, and nothing else.

A world is settings by their dotted names, laid over the preset that is the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recipe_rows import NO_STRUCTURE, UNVERIFIED

from ucvgl.settings.dataset import WorldLook

World = Mapping[str, Any]
ELSEWHERE = "../shared/worlds/b"
"""World B, from another renderer: beside the project, and in no copy of it."""
PLACES = {"train": 2000, "validation": 500}


def rendered(level: str, *, places: Mapping[str, int] = PLACES, **look: Any) -> World:
    """A world of our renderer; its BEV covers the ground that its tile shows."""
    seen = WorldLook(**look)
    half_deg = math.degrees(math.atan(seen.tile_side_m / 2 / seen.camera_height_m))
    projection = {
        "fov_deg": round(2 * half_deg, 3),
        "top_elevation_deg": seen.top_elevation_deg,
        "bottom_elevation_deg": seen.bottom_elevation_deg,
    }
    return (
        {"dataset.synthetic.level": level}
        | {f"dataset.synthetic.{split}_places": count for split, count in places.items()}
        | {f"dataset.synthetic.look.{name}": value for name, value in look.items()}
        | {f"projection.{name}": value for name, value in projection.items()}
    )


def photographed(fov_deg: float, **look: Any) -> World:
    """The world `north`, seen by photos that look anywhere instead of panoramas."""
    camera = {"camera_height_m": 2.5, "tile_side_m": 50.0, "photo_fov_deg": fov_deg}
    photos = {"dataset.camera": "photo", "dataset.fov_deg": fov_deg}
    whole = {"projection.top_elevation_deg": 45.0, "projection.bottom_elevation_deg": -45.0}
    return {**rendered("medium", **camera, **look), **photos, **whole}


HOME = {"train": 4000, "validation": 500}
SUITE: dict[str, World] = {
    "easy": rendered("easy", places=HOME),
    "medium": rendered("medium", places=HOME),
    "hard": rendered("hard", places=HOME),
    "b": {
        "dataset.name": "folder",
        "dataset.root": ELSEWHERE,
        "projection.top_elevation_deg": 30.0,
        "projection.bottom_elevation_deg": -60.0,
    },
    "low_camera_city": rendered("medium", camera_height_m=1.6, tile_side_m=34.0, land="city"),
    "high_camera_wide": rendered("medium", camera_height_m=4.0, tile_side_m=80.0, off_centre_m=2.0),
    "inverted_country": rendered("medium", camera_height_m=2.5, tile_side_m=50.0, land="country", inversion=1.0),
    "cropped_haze": rendered(
        "medium",
        camera_height_m=2.2,
        tile_side_m=44.0,
        top_elevation_deg=36.0,
        bottom_elevation_deg=-36.0,
        visibility_m=70.0,
        veil=0.4,
    )
    | {"dataset.synthetic.panorama_height": 64, "dataset.synthetic.panorama_width": 384},
    "offset": rendered("medium", off_centre_m=6.0, off_north_deg=5.0),
    "north": rendered("medium", camera_height_m=2.5, tile_side_m=50.0),
    "anywhere": rendered("medium", camera_height_m=2.5, tile_side_m=50.0, any_heading=True)
    | {"contrast.heading": "unknown"},
    "vigor_like": rendered("medium", camera_height_m=2.5, tile_side_m=50.0, seamless=True)
    | {"curriculum.reciprocal": 2},
    "photos_90": photographed(90.0),
    "photos_70": photographed(70.0),
    "photos_90_anywhere": {**photographed(90.0, any_heading=True), "contrast.heading": "unknown"},
    "winter": rendered("medium", camera_height_m=3.0, tile_side_m=60.0, season="winter", texture=2.5),
    "flights": {
        "dataset.name": "synthetic_drone",
        "dataset.synthetic.level": "easy",
        "dataset.synthetic.train_places": 701,
        "dataset.synthetic.validation_places": 120,
        "dataset.drone.distractor_places": 40,
        "dataset.panorama_height": 64,
        "dataset.panorama_width": 64,
        "projection.bev": False,
        "model.query": "panorama",
        **NO_STRUCTURE,
        **UNVERIFIED,
        "translation.fake": False,
        "contrast.heading": "unknown",
        "curriculum.reciprocal": 9,
    },
}
"""By name. `b` trains on 4,238 places, `flights` on 701 buildings, nine pictures of each."""

SIZES = ("dataset.panorama_height", "dataset.panorama_width", "dataset.tile_size")
NOTHING_FROM_ABOVE = {"projection.bev": False, "model.structure": 0, **NO_STRUCTURE, **UNVERIFIED}
"""Without bird's-eye views none can be compared with a tile."""
DEMO: dict[str, World] = {
    "demo": rendered("medium"),
    "demo_squashed": {**rendered("medium"), **NOTHING_FROM_ABOVE},
    "demo_square": {**rendered("medium"), **dict.fromkeys(SIZES, 64)},
}
"""`medium` with the places of `make demo`, for the tables of the paper; squashed as its rows without a bird's-eye view
are, and with panoramas of the size of tiles, as shared weights need them."""

SHOWN = {
    "b": "B, another renderer",
    "low_camera_city": "`low_camera_city`: camera at 1.6 m, blocks and squares",
    "high_camera_wide": "`high_camera_wide`: camera at 4 m, tiles of 80 m",
    "inverted_country": "`inverted_country`: bright from the ground is dark from above",
    "cropped_haze": "`cropped_haze`: sky and ground cropped away, haze",
    "offset": "`offset`: cameras 6 m off the middle per axis",
    "north": "`north`: the places of `anywhere`, headings known",
    "anywhere": "`anywhere`: panoramas of unknown heading",
    "vigor_like": "`vigor_like`: tiles without gaps, cameras anywhere between them",
    "photos_90": "`photos_90`: the places of `north`, photos of 90 degrees",
    "photos_70": "`photos_70`: the same, of 70 degrees",
    "photos_90_anywhere": "`photos_90_anywhere`: the same, of unknown heading",
    "winter": "`winter`: snow from above, summer from the ground",
    "open": "`{}`: three training panoramas of ten have no tile",
    "strangers": "`{}`: no training panorama has a tile",
}


def described(world: str) -> str:
    """A world in a few words, for tables."""
    return SHOWN.get(world.partition(":")[0], "`{}`").format(world)
