"""Where on its tile a camera stood and where it looked, on worlds whose cameras stand off the centre.

    python benchmarks/beyond.py --worlds cropped_haze,inverted_country

Given the true tile. How cameras are placed is learned from other places of the world, as when an index is made: from
pairs that nobody has aligned, of which some (`--wrong`) are no pairs. A line per world and knowledge of the heading:
median error of the position beside that of the tile's centre, that of the heading, the share within the stated radii
(they are to hold 68 %), and milliseconds of processor time for a photo.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import absent_ray  # noqa: F401
import numpy as np
from origin import measured_here
from results import RESULTS
from suite import SUITE

from ucvgl.index.camera_place import halves_of
from ucvgl.poses.ground_views import ground_of
from ucvgl.poses.placing import KNOWN, UNKNOWN, Placing, learned, place
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed
from ucvgl.world.layout import layout_of
from ucvgl.world.levels import LEVELS
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.panorama import camera_pose, render_panorama, view_generator
from ucvgl.world.world import build_world


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="cropped_haze,inverted_country", help="of suite.py, rendered ones")
    parser.add_argument(
        "--off-centre-m", type=float, default=6.0, help="of cameras, standard deviation per axis; 0 for vigor_like"
    )
    parser.add_argument("--places", type=int, default=150, help="that are measured")
    parser.add_argument("--pairs", type=int, default=50, help="that are learned from, of other places")
    parser.add_argument("--wrong", type=float, default=0.2, help="share of these that are no pairs")
    parser.add_argument("--seed", type=int, default=0)
    wish = parser.parse_args(argv)
    for name in wish.worlds.split(","):
        experiment = changed(Experiment(), SUITE[name])
        seen = views(experiment, wish.off_centre_m, wish.pairs + wish.places, seed=wish.seed)
        learning, asked = ([part[some] for part in seen] for some in np.split(np.arange(len(seen[0])), [wish.pairs]))
        bevs = np.stack([ground_of(photo, experiment.projection) for photo in learning[0]])
        tiles = learning[1].copy()
        none = np.arange(round(wish.wrong * wish.pairs))
        tiles[none] = tiles[np.roll(none, 1)]
        placing = learned(halves_of(bevs, tiles), halves_of(bevs, np.roll(tiles, 1, axis=0)))
        for heading in ("known", "unknown"):
            line = measured(experiment, placing, asked, heading, seed=wish.seed)
            line = {"world": name, "heading": heading, **measured_here()} | line
            print(json.dumps(line), flush=True)
            with (RESULTS / "beyond.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    return 0


def views(experiment: Experiment, off_centre_m: float, count: int, *, seed: int) -> list[np.ndarray]:
    """Panoramas, tiles, and where each camera stood: metres east and north of the tile's middle, degrees of heading."""
    told = experiment.dataset.synthetic
    digest = hashlib.sha256(f"beyond/{seed}".encode()).hexdigest()
    world = build_world(int(digest, 16) % 2**31, LEVELS[told.level], replace(told.look, off_centre_m=off_centre_m))
    size = {"height": told.panorama_height, "width": told.panorama_width}
    panoramas, tiles, poses = [], [], []
    lay = layout_of(world, count)
    for number, (spot, tile) in enumerate(zip(lay.spots, lay.own.tolist(), strict=True)):
        panoramas.append(render_panorama(world, spot, number, **size))
        tiles.append(render_tile(world, lay.tiles[tile], tile, size=told.tile_size))
        x, y, yaw = camera_pose(world, spot, view_generator(world, number))
        poses.append((*((x, y) - lay.tiles[tile]), math.degrees(yaw)))
    return [np.stack(panoramas), np.stack(tiles), np.array(poses)]


def measured(
    experiment: Experiment, placing: Placing, views: Sequence[np.ndarray], heading: str, *, seed: int
) -> dict[str, Any]:
    """What `place` reaches; with unknown headings every panorama begins anywhere."""
    photos, tiles, truth = views
    side, columns = experiment.dataset.synthetic.look.tile_side_m, photos.shape[2]
    shifts = np.random.default_rng(seed).integers(0, columns, len(photos)) * (heading == "unknown")
    turned = (truth[:, 2] + shifts * 360 / columns + 180) % 360 - 180
    begun, found = time.process_time(), []
    for photo, tile, shift in zip(photos, tiles, shifts, strict=True):
        ground = ground_of(np.roll(photo, -shift, axis=1), experiment.projection)
        assert ground is not None
        found.append(place(ground, tile, placing, UNKNOWN if heading == "unknown" else KNOWN))
    seconds = (time.process_time() - begun) / len(photos)
    off = side * np.hypot(*(np.array([(pose.east, pose.north) for pose in found]) - truth[:, :2] / side).T)
    radius = side * np.array([pose.radius for pose in found])
    off_deg = np.abs((np.array([pose.heading_deg for pose in found]) - turned + 180) % 360 - 180)
    radius_deg = np.array([pose.heading_radius_deg for pose in found])
    return {
        "photos": len(photos),
        "error_m": round(float(np.median(off)), 2),
        "tile_centre_m": round(float(np.median(np.hypot(*truth[:, :2].T))), 2),
        "radius_m": round(float(np.median(radius)), 2),
        "within_radius": round(float((off <= radius).mean()), 3),
        "heading_error_deg": round(float(np.median(off_deg)), 2),
        "off_north_deg": round(float(np.median(np.abs(turned))), 1),
        "within_heading_radius": round(float((off_deg <= radius_deg).mean()), 3),
        "learned_off_centre_m": round(placing.off_centre * side, 2),
        "ms": round(1000 * seconds),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
