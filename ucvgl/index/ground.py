"""The ground as candidates are verified and cameras placed by it; an index keeps that of its tiles, as small JPEGs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import simplejpeg
from jaxtyping import Float, Int, UInt8

from ucvgl.files.tables import required
from ucvgl.images.decode import decode
from ucvgl.networks.towers import View
from ucvgl.poses.ground_views import ground_of, ground_of_tile
from ucvgl.poses.turns import Heading, turns_of
from ucvgl.poses.verifying import KNOWN, NEAREST, evidence, ground_spectra, tile_spectrum, verified
from ucvgl.retrieval.best import Best
from ucvgl.settings.experiment import Projection

COLUMNS = pa.schema(required(ground=pa.binary()))
QUALITY = 95
SPECTRA = 2000
"""Tiles whose spectra are in memory at a time, 150 KB each: neighbours are candidates of many photos."""

Ground = UInt8[np.ndarray, "s s 3"]
ShowsGround = Callable[[UInt8[np.ndarray, "h w 3"]], Ground]
"""What gives the ground of an image."""
Found = tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]
"""Similarities and rows of the best tiles of every photo, best first, and at which turn they were found."""


def shown_by(view: View, projection: Projection) -> ShowsGround | None:
    """What gives the ground of images of a view; None where cameras see none."""
    if not projection.bev:
        return None
    return partial(ground_of, projection=projection) if view == "query" else ground_of_tile


class Grounds:
    """The ground of every tile, by its row.

    Args:
        packed: as `packed` makes them.
        origin: what to call them in errors.
    """

    def __init__(self, packed: pa.ChunkedArray, origin: str) -> None:
        self._packed, self._origin = packed, origin

    def __len__(self) -> int:
        return len(self._packed)

    def all(self) -> list[Ground]:
        """The ground of all, row by row."""
        return [self(row) for row in range(len(self))]

    def __call__(self, row: int) -> Ground:
        """The ground of one tile."""
        return decode(self._packed[row].as_py(), f"{self._origin}, row {row}")


def packed(ground: Ground) -> bytes:
    """As the content of a JPEG file."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(ground), quality=QUALITY, colorsubsampling="444")


def with_verified_first(
    best: Best, grounds: Sequence[Ground], tile: Callable[[int], Ground], *, count: int
) -> Best:
    """The same tiles, where the heading of all queries is known.

    Args:
        grounds: of the queries.
        tile: gives the ground of a row.
        count: how many of each query are verified.
    """
    found = Best(*best.index.shape)
    turns = np.zeros(best.index.shape, int)
    how = {"count": count, "heading": "known"}
    found.score, found.index, _ = in_verified_order((best.score, best.index, turns), grounds, tile, **how)
    return found


def in_verified_order(
    found: Found, grounds: Sequence[Ground], tile: Callable[[int], Ground], *, count: int, heading: Heading
) -> Found:
    """The same tiles, the first of each photo in the order of what their ground says over poses, the others after them.

    Args:
        grounds: of the photos.
        tile: gives the ground of a row.
        count: how many of each are verified (`ucvgl.poses.verifying`).
        heading: of the photos; where it is unknown, a tile is compared around the turn at which it was found.
    """
    turns = KNOWN if heading == "known" else NEAREST
    score, row, turn = (some.copy() for some in found)
    around = -turns_of(heading)[turn]
    spectrum = lru_cache(maxsize=SPECTRA)(lambda one: tile_spectrum(tile(one)))
    for number, ground in zip(range(len(row)), grounds, strict=True):
        there = np.flatnonzero(row[number, :count] >= 0)
        for degrees in np.unique(around[number, there]):
            these = there[around[number, there] == degrees]
            seen = ground_spectra(ground, turns=turns, around_deg=float(degrees))
            tried = [*map(spectrum, row[number, these].tolist())]
            score[number, these] = verified(score[number, these], evidence(seen, tried, turns))
        order = there[np.argsort(-score[number, there], kind="stable")]
        for some in (score, row, turn):
            some[number, there] = some[number, order]
    return score, row, turn
