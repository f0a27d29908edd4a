"""Crop, scale and heading as `ucvgl doctor --geometry` finds them, and how sure it is where there is nothing to find.

    python benchmarks/geometry.py --images b,city,winter --counts 60,100,200 --seeds 0,1,2
    python benchmarks/geometry.py --images white,smooth,stripes,slanted,repeated,others_b,others_city --counts 100

A line for each search: the lead, whether it is told as sure, what was found, its standard errors, and what is true
(None where the panoramas and tiles show different places, or nothing).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import absent_ray  # noqa: F401
import cv2
import numpy as np
from beyond import views
from origin import ROOT, measured_here
from results import RESULTS
from suite import ELSEWHERE, rendered

from ucvgl.commands.geometry_report import TILE
from ucvgl.images.decode import load, resize
from ucvgl.poses.geometry import Geometry, find_geometry
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed

HEIGHT, WIDTH = 128, 512
SQUARE = {"dataset.synthetic.panorama_height": HEIGHT, "dataset.synthetic.panorama_width": WIDTH}
B = Geometry(30.0, -60.0, 45.7 / 2 / 2, 0.0)
CROPS = {top: {"top_elevation_deg": top, "bottom_elevation_deg": top - 90.0} for top in (36.0, 45.0)}
LOOKS: Mapping[str, Any] = {
    "city": {"camera_height_m": 1.6, "tile_side_m": 34.0, "land": "city"} | CROPS[45],
    "winter": {"camera_height_m": 4.0, "tile_side_m": 60.0, "season": "winter"} | CROPS[36],
}
"""Worlds of our renderer, of 90 degrees, so that a degree has as many rows as columns."""
TURN_DEG = 64.0
"""By which their panoramas are turned."""
Views = tuple[Sequence[np.ndarray], Sequence[np.ndarray], Geometry | None]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default=",".join(IMAGES))
    parser.add_argument("--counts", default="100", help="of panoramas, and of tiles")
    parser.add_argument("--seeds", default="0")
    wish = parser.parse_args(argv)
    for name in wish.images.split(","):
        for seed in map(int, wish.seeds.split(",")):
            for count in map(int, wish.counts.split(",")):
                line = {"images": name, "count": count, "seed": seed} | searched(*IMAGES[name](count, seed))
                print(json.dumps(line), flush=True)
                with (RESULTS / "geometry.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line | measured_here()) + "\n")
    return 0


def searched(panoramas: Sequence[np.ndarray], tiles: Sequence[np.ndarray], truth: Geometry | None) -> dict[str, object]:
    """What is found, from tiles in another order than that of the panoramas."""
    begun = time.process_time()
    order = np.random.default_rng(0).permutation(len(tiles))
    found = find_geometry(panoramas, [resize(tiles[k], TILE, TILE) for k in order])
    told = {"found": found.geometry, "errors": found.error, "true": truth}
    return {
        "lead": round(found.lead, 2),
        "sure": found.sure,
        "pairs": found.pairs,
        **{name: one and [round(float(value), 2) for value in astuple(one)] for name, one in told.items()},
        "seconds": round(time.process_time() - begun, 1),
    }


def _b(count: int, seed: int) -> Views:
    folder = ROOT / ELSEWHERE / "train"
    lines = (folder / "truth.csv").read_text().split()[1:]
    chosen = [lines[k].split(",") for k in np.random.default_rng(seed).permutation(len(lines))[:count]]
    panoramas, tiles = zip(*chosen, strict=True)
    return _loaded(folder / "panorama", panoramas), _loaded(folder / "satellite", tiles), B


def _loaded(folder: Path, names: Sequence[str]) -> list[np.ndarray]:
    return [load(str(folder / name)) for name in names]


def _rendered(name: str, count: int, seed: int) -> Views:
    world = changed(Experiment(), {**SQUARE, **rendered("medium", **LOOKS[name])})
    panoramas, tiles, _ = views(world, 0.0, count, seed=seed)
    look = world.dataset.synthetic.look
    half_side = look.tile_side_m / 2 / look.camera_height_m
    truth = Geometry(look.top_elevation_deg, look.bottom_elevation_deg, half_side, TURN_DEG)
    return [np.roll(one, round(-TURN_DEG / 360 * WIDTH), 1) for one in panoramas], list(tiles), truth


def _others(images: Callable[[int, int], Views], count: int, seed: int) -> Views:
    """Panoramas and tiles of different places."""
    panoramas, tiles, _ = images(2 * count, seed)
    return panoramas[:count], tiles[count:], None


def _noise(drawn: Callable[[np.random.Generator, int, int], np.ndarray], count: int, seed: int) -> Views:
    rng = np.random.default_rng(seed)
    return [drawn(rng, HEIGHT, WIDTH) for _ in range(count)], [drawn(rng, TILE, TILE) for _ in range(count)], None


def _white(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def _smooth(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    noise = cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), rng.uniform(2, 12))
    return cv2.normalize(noise, np.empty_like(noise), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def _waves(rng: np.random.Generator, height: int, width: int, *, most: float = np.pi, waves: int = 1) -> np.ndarray:
    """Stripes that run at 0 to `most` (radians)."""
    y, x = np.mgrid[:height, :width]
    angles, fast, phases = rng.uniform(0, most, waves), rng.uniform(0.05, 0.5, waves), rng.uniform(0, 6.3, waves)
    drawn = zip(angles, fast, phases, strict=True)
    seen = np.mean([np.sin(f * (x * np.cos(a) + y * np.sin(a)) + p) for a, f, p in drawn], 0)
    return np.repeat((127 + 120 * seen)[..., None], 3, 2).astype(np.uint8)


def _repeated(count: int, seed: int) -> Views:
    """Ten pictures again and again, each a little different, so that panoramas are not independent."""
    rng = np.random.default_rng(seed)

    def again(images: Sequence[np.ndarray]) -> list[np.ndarray]:
        seen = [images[k % len(images)] for k in range(count)]
        return [np.clip(one + rng.normal(0, 8, one.shape), 0, 255).astype(np.uint8) for one in seen]

    panoramas, tiles, _ = _noise(_smooth, 10, seed)
    return again(panoramas), again(tiles), None


IMAGES: dict[str, Callable[[int, int], Views]] = {
    "b": _b,
    "city": lambda count, seed: _rendered("city", count, seed),
    "winter": lambda count, seed: _rendered("winter", count, seed),
    "others_b": lambda count, seed: _others(_b, count, seed),
    "others_city": lambda count, seed: _others(IMAGES["city"], count, seed),
    "white": lambda count, seed: _noise(_white, count, seed),
    "smooth": lambda count, seed: _noise(_smooth, count, seed),
    "stripes": lambda count, seed: _noise(_waves, count, seed),
    "slanted": lambda count, seed: _noise(lambda *size: _waves(*size, most=0.6, waves=3), count, seed),
    "repeated": _repeated,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
