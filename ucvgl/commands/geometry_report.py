"""What the doctor says of a data set's geometry: crop, scale and heading of its panoramas, and the flags to use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ucvgl.images.decode import BadImage, load, resize
from ucvgl.poses.geometry import Found, crops, find_geometry

FEWEST = 100
"""Images of a view that are worth a search: of 60 some found a wrong crop and scale, and were sure of it."""
TILE, PANORAMA_WIDTH = 128, 512
"""Pixels of a tile and of a panorama's width that are looked at."""


def geometry_report(queries: pa.Table, references: pa.Table, count: int) -> tuple[list[str], list[str]]:
    """Lines and advice from up to so many panoramas and tiles, drawn at random."""
    panoramas, tiles = _read(queries, count), _read(references, count)
    if not panoramas or not tiles:
        return ["  geometry: no images could be read"], []
    (height, width), _ = Counter(image.shape[:2] for image in panoramas).most_common(1)[0]
    same = _different([image for image in panoramas if image.shape[:2] == (height, width)])
    tiles = _different(tiles)
    if min(len(same), len(tiles)) < FEWEST:
        few = f"{len(same)} panoramas of one size and {len(tiles)} tiles"
        return [f"  geometry: {few} are too few to tell, it takes {FEWEST} of each"], []
    shrunk = max(1.0, width / PANORAMA_WIDTH)
    shape = max(1, round(height / shrunk)), round(width / shrunk)
    if not any(crops(*shape)):
        spans = f"would show {360 * height / width:.0f} degrees from top to bottom if they showed all around"
        return [f"  geometry: panoramas of {width} x {height} {spans}; it is looked for where they show 13 to 180"], []
    ground = [resize(image, *shape) for image in same]
    found = find_geometry(ground, [resize(tile, TILE, TILE) for tile in tiles])
    return told(found, len(same), len(tiles))


def _different(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Without copies, which would agree with themselves: errors are told from images that are independent."""
    return list({(image.shape, image.tobytes()): image for image in images}.values())


def told(found: Found, panoramas: int, tiles: int) -> tuple[list[str], list[str]]:
    """Lines and advice that say a geometry, or that there is none to be sure of."""
    seen = f"from {panoramas:,} panoramas and {tiles:,} tiles, no label read"
    lead = f"tiles are liked better than mirrored ones by {found.lead:.1f} standard errors"
    if not found.sure or found.error is None:
        lines = [f"  geometry: not found {seen}: {lead}"]
        return lines, ["give more images to the search for the geometry (--geometry N), or set the projection by hand"]
    one, off = found.geometry, found.error
    lines = [
        f"  geometry {seen}: {found.pairs} pairs agree, {lead}",
        "    if panoramas show all around and a degree has as many rows as columns; else too sure of crop and scale:",
        f"    elevation of the upper edge {one.top_deg:.1f} +- {off.top_deg:.1f}, "
        f"of the lower {one.bottom_deg:.1f} +- {off.bottom_deg:.1f} degrees",
        f"    half a tile is {one.half_side:.1f} camera heights +- {100 * off.half_side:.0f} %",
        f"    panoramas look {one.heading_deg:.1f} +- {off.heading_deg:.1f} degrees east of north in the middle",
    ]
    advice = [
        f"if a degree has as many rows as columns, else not: --projection.fov-deg {one.fov_deg:.1f} "
        f"--projection.top-elevation-deg {one.top_deg:.1f} --projection.bottom-elevation-deg {one.bottom_deg:.1f}"
    ]
    if abs(one.heading_deg) > max(2.0, 2 * off.heading_deg):
        advice.append(
            f"move the columns of all panoramas by {one.heading_deg / 360:.4f} of their width to the right, round and "
            "round, so that north is in the middle"
        )
    return lines, advice


def _read(table: pa.Table, count: int) -> Sequence[np.ndarray]:
    images = []
    rows = np.random.default_rng(0).permutation(table.num_rows)[:count]
    for uri in table["uri"].take(rows).to_pylist():
        try:
            images.append(load(uri, enough=(TILE, PANORAMA_WIDTH)))
        except (BadImage, OSError):
            continue
    return images
