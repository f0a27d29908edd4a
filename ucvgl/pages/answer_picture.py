"""An answer as one picture: the photo, its bird's-eye view, the best tiles, and where they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ucvgl.atomic import whole
from ucvgl.files.owned import refuse_foreign_file
from ucvgl.files.printable import printable
from ucvgl.index.answers import Answer, in_words, sure_words
from ucvgl.index.camera_place import Camera
from ucvgl.index.localizer import Localizer, tile_pixels
from ucvgl.pages.camera_mark import CONE_DEG
from ucvgl.pages.gallery import at_most
from ucvgl.pages.tile_map import bar_metres, distance, metres, thinned
from ucvgl.projection.preprocessing import Image

COLUMNS = 5
"""Tiles in a row."""
TALL = 512
"""Pixels of height that are drawn of the photo: more cannot be seen."""
BEV_SIDE = 256
CAMERA = "#e4572e"


def draw(localizer: Localizer, photo: Image, answer: Answer, path: Path | str) -> None:
    """Write the picture of an answer as PNG or whatever the path's ending says; it appears whole or not at all.

    Args:
        localizer: that answered; its index says where the tiles' images lie.

    Raises:
        ValueError: the ending is no kind of image.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    query, tiles = localizer.query(photo), answer.candidates[: 2 * COLUMNS]
    below = -(-len(tiles) // COLUMNS)
    known = [tile for tile in tiles if tile.lat is not None]
    heights = [1.0] + [1.1] * below + ([1.9] if known else [])
    figure = Figure(figsize=(10, 2.0 * sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), COLUMNS, height_ratios=heights)
    name = printable(os.path.basename(answer.query).encode("utf-8", "replace").decode())
    where = f"\n{in_words(answer.camera)}" if answer.camera else ""
    figure.suptitle(f"{name}{sure_words(answer)}{where}", fontsize=11, parse_math=False)
    _show(figure.add_subplot(grid[0, : COLUMNS - 1]), at_most(query.photo, TALL), "photo")
    above = localizer.encoders.birdseye(query.panorama, BEV_SIDE)
    _show(figure.add_subplot(grid[0, COLUMNS - 1]), above, "bird's-eye view")
    for place, tile in enumerate(tiles):
        axes = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS])
        seen = tile_pixels(tile.uri)
        _show(axes, seen, f"{place + 1}   {tile.similarity:.3f}")
        if place == 0 and seen is not None and answer.camera is not None:
            _stand(axes, seen.shape[1], answer.camera)
    if known:
        _map(figure.add_subplot(grid[-1, :]), localizer, answer)
    refuse_foreign_file(path)
    mark = {"Software": "ucvgl"} if path.suffix == ".png" else None
    with whole(path) as aside:
        figure.savefig(aside, dpi=110, format=path.suffix[1:], metadata=mark)


def _show(axes: Any, image: np.ndarray | None, title: str) -> None:
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    if image is None:
        axes.text(0.5, 0.5, "image not found", ha="center", va="center", fontsize=8, color="#6c727a")
    else:
        axes.imshow(image)


def _stand(axes: Any, width: int, camera: Camera) -> None:
    """The camera on its tile: a marker, the circle that holds it with 68 %, and where its panorama's middle looks."""
    from matplotlib.patches import Circle, Wedge

    scale = width / camera.tile_side
    x, y = width / 2 + camera.east * scale - 0.5, width / 2 - camera.north * scale - 0.5
    ahead, wide = 90 - camera.heading_deg, max(camera.heading_radius_deg, CONE_DEG)
    axes.add_patch(Wedge((x, y), width / 4, -ahead - wide, -ahead + wide, color=CAMERA, alpha=0.35, linewidth=0))
    axes.add_patch(Circle((x, y), camera.radius * scale, fill=False, edgecolor="white", linewidth=1.4))
    axes.plot([x], [y], "o", color=CAMERA, markeredgecolor="white", markersize=5)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(width - 0.5, -0.5)


def _map(axes: Any, localizer: Localizer, answer: Answer) -> None:
    """All tiles as dots, the candidates with their numbers; metres east and north of the first."""
    assert localizer.index is not None
    tiles = [(rank, tile.lat, tile.lon) for rank, tile in enumerate(answer.candidates, 1) if tile.lat is not None]
    origin = np.array(tiles[0][1:], float)
    places = localizer.index.places
    dots = metres(thinned(places[np.isfinite(places).all(axis=1)]), origin)
    marks = metres(np.array([place[1:] for place in tiles], float), origin)
    axes.scatter(*dots.T, s=4, color="#b9bdc3", linewidths=0)
    axes.scatter(*marks.T, s=110, color=["#2f6690"] + ["#ffffff"] * (len(marks) - 1), edgecolors="#2f6690", zorder=2)
    for (rank, _, _), (x, y) in reversed(list(zip(tiles, marks, strict=True))):
        ink = "white" if rank == 1 else "black"
        axes.text(x, y, str(rank), ha="center", va="center", fontsize=7, color=ink, zorder=3)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    bar = bar_metres((right - left) / 4)
    x, y = left + 0.03 * (right - left), bottom + 0.06 * (top - bottom)
    axes.plot([x, x + bar], [y, y], color="#22262b", linewidth=2)
    axes.text(x, y + 0.02 * (top - bottom), distance(bar), fontsize=8)
    lat, lon = origin
    axes.set_title(f"north up; 1 is at {lat:.6f}, {lon:.6f}", fontsize=9)
