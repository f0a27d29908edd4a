"""Crop, scale and heading of panoramas against tiles, without a label (`ucvgl doctor --geometry`).

Nobody says which panorama belongs to which tile. But under the right geometry many are more alike to some tile than to
any mirrored one, which is nobody's; under a wrong one, both are best as often. So every geometry of a coarse grid is
judged by how much more alike panoramas are to tiles than to mirrors; then the pairs that were found tell the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.optimize import minimize

from ucvgl.poses.log_polar import CELL, CELL_STEP, TURNS, distances, of_panorama, of_tile
from ucvgl.poses.structure import CHANNELS

CELLS = 10
"""Rows of a tile, each 20 % farther than the next."""
NEAREST_SIDE, SCALES = 4.0, 13
"""Half sides of a tile that are tried: from so many camera heights, in so many steps of 20 %."""
HORIZONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Share of a cropped panorama's rows that lie above its horizon: those that are tried."""
FEWEST_PAIRS, MOST_PAIRS = 12, 60
MORE_PAIRS = 1.2
"""As many times the pairs of before are worth another fit."""
SCALE = np.array([1.0, 1.0, 0.05, 1.5])
"""Degrees of the edges, logarithm of the scale and degrees of the heading that change the likeness alike, roughly."""
SURE = 5.0
"""Standard errors by which tiles must be liked better than mirrors: of a few hundred geometries one is 3 off by chance,
with edges of one image on both sides more often."""


@dataclass(frozen=True)
class Geometry:
    """How the ground of a panorama lies on its tile.

    Args:
        top_deg: elevation of the panorama's upper edge.
        half_side: of a tile, in camera heights.
        heading_deg: of the panorama's middle, clockwise from the tile's up.
    """

    top_deg: float
    bottom_deg: float
    half_side: float
    heading_deg: float

    @property
    def fov_deg(self) -> float:
        """Field of view of the bird's-eye view that shows what a tile shows."""
        return 2 * math.degrees(math.atan(self.half_side))


@dataclass(frozen=True)
class Found:
    """A geometry, and how sure it is.

    Args:
        error: standard error of each of its numbers (of `half_side` as a share), by the pairs it was found on.
        pairs: of panorama and tile that agree on it.
        lead: standard errors by which tiles are liked better than mirrored tiles.
    """

    geometry: Geometry
    error: Geometry | None
    pairs: int
    lead: float

    @property
    def sure(self) -> bool:
        """Whether it is more than chance."""
        return self.error is not None and self.lead >= SURE


def find_geometry(
    panoramas: Sequence[UInt8[np.ndarray, "h w 3"]], tiles: Sequence[UInt8[np.ndarray, "s s 3"]]
) -> Found:
    """The geometry under which panoramas fit tiles best.

    Args:
        panoramas: of one size, in any order; many of them must have their tile among the tiles.
    """
    seen = np.stack([of_tile(tile, cells=CELLS) for tile in tiles])
    best = max((_best(panoramas, seen, *crop) for crop in crops(*panoramas[0].shape[:2])), key=lambda found: found[0])
    geometry, error, before = best[1], None, FEWEST_PAIRS - 1
    while True:
        ahead, pairs = _pairs(panoramas, seen, geometry)
        if len(pairs) <= before:
            return Found(geometry, error, len(pairs), ahead)
        geometry, error = _fitted([panoramas[q] for q, _ in pairs], seen[pairs[:, 1]], geometry)
        before = len(pairs) * MORE_PAIRS


def crops(height: int, width: int) -> Iterator[tuple[float, float]]:
    """Elevations of the upper and lower edge that are tried, with square pixels all around; the rest is fitted."""
    if abs(2 * height - width) < 0.02 * width:
        yield 90.0, -90.0
    span = 360 * height / width
    for above in HORIZONS:
        top, bottom = span * above, span * (above - 1)
        if top <= 90 and -90 <= bottom <= -10:
            yield top, bottom


def lead(own: Float[torch.Tensor, "q t"], mirrored: Float[torch.Tensor, "q t"]) -> tuple[float, int]:
    """At the best turn: by how many standard errors tiles are liked better than mirrors, and which turn it is."""
    more = own - mirrored
    errors = more.mean(0) / (more.std(0) / math.sqrt(len(more)) + 1e-12)
    return float(errors.max()), int(errors.argmax())


def _best(panoramas: Sequence, seen: np.ndarray, top: float, bottom: float) -> tuple[float, Geometry]:
    """The best scale and heading of a crop, and its lead."""
    farthest, rows = NEAREST_SIDE * math.exp(CELL_STEP * (SCALES - 1)), CELLS + SCALES - 1
    ground = [of_panorama(p, top_deg=top, bottom_deg=bottom, farthest=farthest, cells=rows) for p in panoramas]
    fields, shown = np.stack([field for field, _ in ground]), ground[0][1]
    found = []
    for scale in range(SCALES):
        part = slice(SCALES - 1 - scale, SCALES - 1 - scale + CELLS)
        if (shown[part] > 0.9).sum() < CELLS // 2:
            continue
        own, mirrored, _ = likeness(fields[:, part], shown[part], seen)
        ahead, turn = lead(own, mirrored)
        side = NEAREST_SIDE * math.exp(CELL_STEP * scale)
        found.append((ahead, Geometry(top, bottom, side, (turn * 360 / TURNS + 180) % 360 - 180)))
    return max(found, key=lambda one: one[0], default=(-math.inf, Geometry(top, bottom, NEAREST_SIDE, 0.0)))


def likeness(
    panoramas: Float[np.ndarray, "q r a 9"], shown: Float[np.ndarray, " r"], tiles: Float[np.ndarray, "n r a 9"]
) -> tuple[Float[torch.Tensor, "q a"], Float[torch.Tensor, "q a"], Int[torch.Tensor, "q a"]]:
    """At every turn, each panorama's correlation with the tile and the mirrored tile that are most alike, and which."""
    query, reference = (whitened(fields, _weight(shown)) for fields in (panoramas, tiles))
    # A mirror turns azimuths round and the sign of the doubled angle's sine.
    mirror = reference.flip(2).roll(1, 2) * torch.tensor([1.0, 1.0, -1.0]).repeat_interleave(CHANNELS // 3)
    spectra = [torch.fft.rfft(one, dim=2).permute(2, 0, 1, 3).flatten(2) for one in (query, reference, mirror)]
    own, which = _most_alike(spectra[0], spectra[1])
    return own, _most_alike(spectra[0], spectra[2])[0], which


def _most_alike(query: torch.Tensor, reference: torch.Tensor, at_once: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    values, which = [], []
    for start in range(0, query.shape[1], at_once):
        product = query[:, start : start + at_once].conj() @ reference.transpose(1, 2)
        best = torch.fft.irfft(product.permute(1, 2, 0), n=TURNS).max(1)
        values.append(best.values)
        which.append(best.indices)
    return torch.cat(values), torch.cat(which)


def _weight(shown: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
    """Of each row: the farther, the more ground it stands for, but the less of it a camera sees."""
    return (shown > 0.9) * np.sqrt(distances(1.0, CELLS * CELL).reshape(CELLS, CELL).mean(1))


def whitened(fields: Float[np.ndarray, "n r a 9"], weight: Float[np.ndarray, " r"]) -> Float[torch.Tensor, "n r a 9"]:
    """Without what all have in common at a cell, equally strong in every row and channel, and of length 1."""
    apart = fields - fields.mean(0)
    apart = apart / (apart.std((0, 2), keepdims=True) + 1e-4) * weight[None, :, None, None]
    length = np.sqrt((apart**2).sum((1, 2, 3), keepdims=True))
    return torch.from_numpy((apart / np.maximum(length, 1e-9)).astype(np.float32))


def _at(panoramas: Sequence, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Structure of the ground as tiles of this geometry show it, and the share of each row that panoramas show."""
    ground = [
        of_panorama(
            one,
            top_deg=geometry.top_deg,
            bottom_deg=geometry.bottom_deg,
            farthest=geometry.half_side,
            cells=CELLS,
            turn_deg=geometry.heading_deg,
        )
        for one in panoramas
    ]
    return np.stack([field for field, _ in ground]), ground[0][1]


def _pairs(panoramas: Sequence, seen: np.ndarray, geometry: Geometry) -> tuple[float, Int[np.ndarray, "p 2"]]:
    """The lead of a geometry; panoramas and their tiles where these are preferred as clearly as few mirrors are."""
    own, mirrored, which = likeness(*_at(panoramas, geometry), seen)
    more = (own - mirrored)[:, 0].numpy()
    kept = np.flatnonzero(more >= threshold(more))
    kept = kept[np.argsort(-more[kept])][:MOST_PAIRS]
    return lead(own[:, :1], mirrored[:, :1])[0], np.stack((kept, which[:, 0].numpy()[kept]), 1)


def threshold(more: Float[np.ndarray, " q"], wrong_share: float = 0.1) -> float:
    """The least preference at which so few are wrong, as the like preferences for mirrored tiles tell; inf if none."""
    levels = np.sort(np.abs(more))
    own, decoys = (len(more) - np.searchsorted(np.sort(side), levels) for side in (more, -more))
    good = decoys <= wrong_share * own
    return float(levels[good.argmax()]) if good.any() else math.inf


def _fitted(panoramas: Sequence, tiles: np.ndarray, start: Geometry) -> tuple[Geometry, Geometry]:
    """The geometry at which given pairs are most alike, and its standard errors."""
    origin = np.array([start.top_deg, start.bottom_deg, math.log(start.half_side), start.heading_deg])

    def geometry(steps: np.ndarray) -> Geometry:
        top, bottom, side, heading = origin + steps * SCALE
        return Geometry(min(top, 90.0), max(bottom, -90.0), math.exp(side), heading)

    def alike(steps: np.ndarray) -> np.ndarray:
        fields, shown = _at(panoramas, geometry(steps))
        query, reference = (whitened(one, _weight(shown)) for one in (fields, tiles))
        return (query * reference).sum((1, 2, 3)).numpy()

    simplex = np.concatenate((np.zeros((1, 4)), 2 * np.eye(4)))
    options = {"maxfev": 90, "xatol": 0.1, "fatol": 1e-4, "initial_simplex": simplex}
    best = minimize(lambda steps: -alike(steps).mean(), np.zeros(4), method="Nelder-Mead", options=options).x
    spread = SCALE * _spread(alike, best)
    return geometry(best), Geometry(*spread)


def _spread(alike: Callable[[np.ndarray], np.ndarray], best: np.ndarray) -> Float[np.ndarray, "4"]:
    """Standard errors of the maximum of a mean over pairs: curvature and the scatter of the pairs' own slopes.

    Cov = H^-1 G H^-1 / n, with H and G from quadratics fitted to each pair around the maximum.
    """
    points = np.random.default_rng(0).uniform(-2, 2, (40, 4))
    upper = np.triu_indices(4)
    design = np.concatenate((np.ones((40, 1)), points, points[:, upper[0]] * points[:, upper[1]]), 1)
    values = np.stack([alike(best + point) for point in points])
    weights = np.linalg.lstsq(design, values, rcond=None)[0]
    slopes, bent = weights[1:5], np.zeros((4, 4))
    bent[upper] = weights[5:].mean(1)
    curvature = np.linalg.pinv(bent + bent.T)
    return np.sqrt(np.diag(curvature @ np.cov(slopes) @ curvature) / values.shape[1])
