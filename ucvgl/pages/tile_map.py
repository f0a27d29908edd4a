"""A map of tiles as SVG, drawn from their coordinates alone: no map server is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from ucvgl.index.answers import Candidate
from ucvgl.index.camera_place import METRES_PER_DEGREE

MOST_DOTS = 3000
"""Tiles drawn as dots: more would only make the page heavy."""
WIDTH, HEIGHT, EDGE = 640, 480, 36
"""Of the drawing, and the room left around the candidates."""


def tile_map(places: Float[np.ndarray, "n 2"], best: Sequence[Candidate]) -> str:
    """An `<svg>` with the tiles of an area as dots and the candidates as numbered circles, north up.

    Colours come from the page's variables `--ink`, `--muted`, `--line`, `--accent`. Empty without coordinates.

    Args:
        places: latitude and longitude of all tiles, degrees; NaN where unknown.
    """
    shown = [(rank, tile.lat, tile.lon) for rank, tile in enumerate(best, 1) if tile.lat is not None]
    if not shown:
        return ""
    known = thinned(places[np.isfinite(places).all(axis=1)])
    origin = np.array(shown[0][1:], float)
    marks = metres(np.array([place[1:] for place in shown], float), origin)
    dots = metres(known, origin)
    middle, metres_per_pixel = _frame(marks, dots)

    def at(place: np.ndarray) -> tuple[float, float]:
        east, north = (place - middle) / metres_per_pixel
        return WIDTH / 2 + east, HEIGHT / 2 - north

    parts = []
    for x, y in map(at, dots):
        if 0 <= x <= WIDTH and 0 <= y <= HEIGHT:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="var(--muted)" opacity=".45"/>')
    for (rank, lat, lon), place in reversed(list(zip(shown, marks, strict=True))):  # the first is drawn on top
        x, y = at(place)
        fill, ink = ("var(--accent)", "var(--raised)") if rank == 1 else ("var(--raised)", "var(--ink)")
        parts.append(
            f'<g class="mark" data-rank="{rank}"><title>{rank}: {lat:.6f}, {lon:.6f}</title>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="12" fill="{fill}" stroke="var(--accent)" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" font-size="13" fill="{ink}">{rank}</text></g>'
        )
    bar = bar_metres(150 * metres_per_pixel)
    long = bar / metres_per_pixel
    parts.append(
        f'<path d="M16 {HEIGHT - 18}v6h{long:.1f}v-6" fill="none" stroke="var(--ink)"/>'
        f'<text x="{20 + long:.1f}" y="{HEIGHT - 11}" font-size="12" fill="var(--ink)">{escape(distance(bar))}</text>'
        f'<path d="M{WIDTH - 22} 34v-18m-5 6l5 -7l5 7" fill="none" stroke="var(--ink)"/>'
        f'<text x="{WIDTH - 22}" y="48" text-anchor="middle" font-size="12" fill="var(--ink)">N</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="map of the tiles">{"".join(parts)}</svg>'


def metres(places: Float[np.ndarray, "n 2"], origin: Float[np.ndarray, "2"]) -> Float[np.ndarray, "n 2"]:
    """East and north of an origin (lat, lon), on a plane: good for an area, and across the date line."""
    north = (places[:, 0] - origin[0]) * METRES_PER_DEGREE
    east = ((places[:, 1] - origin[1] + 180) % 360 - 180) * METRES_PER_DEGREE * math.cos(math.radians(origin[0]))
    return np.stack((east, north), axis=1)


def bar_metres(longest: float) -> float:
    """The longest round length (1, 2 or 5 times a power of ten) that is not longer."""
    power = 10 ** math.floor(math.log10(longest))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= longest)


def distance(length: float) -> str:
    """Metres as a person says them."""
    return f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def thinned(places: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """Not more than can be drawn, spread evenly over the list."""
    return places[:: max(1, -(-len(places) // MOST_DOTS))]


def _frame(marks: np.ndarray, dots: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and metres per pixel of a map that holds all candidates and, around them, some of the area."""
    low, high = marks.min(axis=0), marks.max(axis=0)
    room = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    spread = float(np.median(np.abs(dots - marks[0]))) if len(dots) else 0.0
    scale = max(float(((high - low) / room).max()), spread / 2 / room.min(), 0.05)
    return (low + high) / 2, scale
