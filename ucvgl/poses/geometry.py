"""Crop, scale and heading of panoramas against tiles, without a label (`ucvgl doctor --geometry`).

Nobody says which panorama belongs to which tile. But under the right geometry many are more alike to some tile than to
any mirrored one, which is nobody's; under a wrong one, both are best as often. So every geometry of a coarse grid is
judged by how much more alike panoramas are to tiles than to mirrors; then the pairs that were found tell the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

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
FITS = 8
"""At most: pairs are looked for where the last fit stands, and the first are those of the grid's own scale."""
SCALE = np.array([1.0, 0.05, 1.5])
"""Degrees of the crop, logarithm of the scale and degrees of the heading that change the likeness alike, roughly."""
LEAST_ERROR = np.array([1.5, 0.15, 1.0])
"""In the same order: what was found is as far off on three worlds, however many pairs agree, as no ground is flat."""
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
        lead: by which tiles are liked better than mirrored tiles, in what chance makes of it.
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
    tried = [one for crop in crops(*panoramas[0].shape[:2]) for one in _tried(panoramas, seen, *crop)]
    leads = np.stack([one for one, _ in tried])
    scale, turn = np.unravel_index(leads.argmax(), leads.shape)
    geometry = replace(tried[scale][1], heading_deg=(float(turn) * 360 / TURNS + 180) % 360 - 180)
    error, moved = None, np.array(math.inf)
    for _ in range(FITS):
        _, pairs = _pairs(panoramas, seen, geometry)
        if len(pairs) < FEWEST_PAIRS or (moved <= 1).all():
            break
        before = geometry
        geometry, error = _fitted([panoramas[q] for q, _ in pairs], seen[pairs[:, 1]], before)
        moved = np.abs(_numbers(geometry) - _numbers(before)) / SCALE
    ahead, pairs = _pairs(panoramas, seen, geometry)
    settled = len(pairs) >= FEWEST_PAIRS and (moved <= 1).all()
    return Found(geometry, error if settled else None, len(pairs), ahead / chance(leads))


def crops(height: int, width: int) -> Iterator[tuple[float, float]]:
    """Elevations of the upper and lower edge that are tried, with square pixels all around; the rest is fitted."""
    if abs(2 * height - width) < 0.02 * width:
        yield 90.0, -90.0
    span = 360 * height / width
    for above in HORIZONS:
        top, bottom = span * above, span * (above - 1)
        if top <= 90 and -90 <= bottom <= -10:
            yield top, bottom


def lead(own: Float[torch.Tensor, "q t"], mirrored: Float[torch.Tensor, "q t"]) -> Float[np.ndarray, " t"]:
    """At every turn, by how many standard errors tiles are liked better than mirrors, if panoramas are independent."""
    more = own - mirrored
    return (more.mean(0) / (more.std(0) / math.sqrt(len(more)) + 1e-12)).numpy()


def chance(leads: Float[np.ndarray, "g t"]) -> float:
    """Standard deviation of the leads of wrong geometries, as nearly all are: 1, or more where panoramas are alike,
    like frames of a film, or all views lean to one side."""
    return max(1.0, float(np.median(np.abs(leads))) / 0.6745)


def _tried(panoramas: Sequence, seen: np.ndarray, top: float, bottom: float) -> Iterator[tuple[np.ndarray, Geometry]]:
    """The scales that are tried of a crop, and the leads at all turns."""
    farthest, rows = NEAREST_SIDE * math.exp(CELL_STEP * (SCALES - 1)), CELLS + SCALES - 1
    ground = [of_panorama(p, top_deg=top, bottom_deg=bottom, farthest=farthest, cells=rows) for p in panoramas]
    fields, shown = np.stack([field for field, _ in ground]), ground[0][1]
    for scale in range(SCALES):
        part = slice(SCALES - 1 - scale, SCALES - 1 - scale + CELLS)
        if (shown[part] > 0.9).sum() >= CELLS // 2:
            own, mirror, _ = likeness(fields[:, part], shown[part], seen)
            yield lead(own, mirror), Geometry(top, bottom, NEAREST_SIDE * math.exp(CELL_STEP * scale), 0.0)


def likeness(
    panoramas: Float[np.ndarray, "q r a 9"], shown: Float[np.ndarray, " r"], tiles: Float[np.ndarray, "n r a 9"]
) -> tuple[Float[torch.Tensor, "q a"], Float[torch.Tensor, "q a"], Int[torch.Tensor, "q a"]]:
    """At every turn, each panorama's correlation with the tile and the mirrored tile that are most alike, and which."""
    query, reference = (whitened(fields, row_weights(shown)) for fields in (panoramas, tiles))
    both = query, reference, mirror_image(reference)
    spectra = [torch.fft.rfft(one, dim=2).permute(2, 0, 1, 3).flatten(2) for one in both]
    own, which = _most_alike(spectra[0], spectra[1])
    return own, _most_alike(spectra[0], spectra[2])[0], which


def mirror_image(fields: Float[torch.Tensor, "n r a 9"]) -> Float[torch.Tensor, "n r a 9"]:
    """As of images whose left and right were changed: azimuths run the other way, and so does the doubled angle."""
    return fields.flip(2) * torch.tensor([1.0, 1.0, -1.0]).repeat_interleave(CHANNELS // 3)


def _most_alike(query: torch.Tensor, reference: torch.Tensor, at_once: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    values, which = [], []
    for start in range(0, query.shape[1], at_once):
        product = query[:, start : start + at_once].conj() @ reference.transpose(1, 2)
        best = torch.fft.irfft(product.permute(1, 2, 0), n=TURNS).max(1)
        values.append(best.values)
        which.append(best.indices)
    return torch.cat(values), torch.cat(which)


def row_weights(shown: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
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
    return float(lead(own[:, :1], mirrored[:, :1])[0]), np.stack((kept, which[:, 0].numpy()[kept]), 1)


def threshold(more: Float[np.ndarray, " q"], wrong_share: float = 0.1) -> float:
    """The least preference at which so few are wrong, as the like preferences for mirrored tiles tell; inf if none."""
    levels = np.sort(np.abs(more))
    own, decoys = (len(more) - np.searchsorted(np.sort(side), levels) for side in (more, -more))
    good = decoys <= wrong_share * own
    return float(levels[good.argmax()]) if good.any() else math.inf


def _fitted(panoramas: Sequence, tiles: np.ndarray, start: Geometry) -> tuple[Geometry, Geometry]:
    """The geometry at which given pairs are most alike, and its standard errors; a panorama spans as much as before.

    With edges that move apart, crop and scale would make up for each other.
    """
    span = start.top_deg - start.bottom_deg
    origin = _numbers(start)

    def geometry(steps: np.ndarray) -> Geometry:
        top, side, heading = (origin + steps * SCALE).tolist()
        top = min(max(top, span - 90), 90)
        return Geometry(top, top - span, math.exp(side), heading)

    def alike(steps: np.ndarray) -> np.ndarray:
        fields, shown = _at(panoramas, geometry(steps))
        query, reference = (whitened(one, row_weights(shown)) for one in (fields, tiles))
        return (query * reference).sum((1, 2, 3)).numpy()

    simplex = np.concatenate((np.zeros((1, 3)), 2 * np.eye(3)))
    options = {"maxfev": 60, "xatol": 0.1, "fatol": 1e-4, "initial_simplex": simplex}
    best = minimize(lambda steps: -alike(steps).mean(), np.zeros(3), method="Nelder-Mead", options=options).x
    # Over headings likeness has many small maxima, as it is looked at in cells; a parabola over some cells has one.
    turned = np.arange(-6.0, 6.1)
    bent, slope, _ = np.polyfit(turned, [alike(best + (0, 0, turn)).mean() for turn in turned], 2)
    best[2] += np.clip(slope / max(-2 * bent, 1e-9), -6, 6)
    top, side, heading = np.maximum(SCALE * _spread(alike, best), LEAST_ERROR).tolist()
    return geometry(best), Geometry(top, top, side, heading)


def _numbers(geometry: Geometry) -> Float[np.ndarray, "3"]:
    """What is fitted of it."""
    return np.array([geometry.top_deg, math.log(geometry.half_side), geometry.heading_deg])


def _spread(alike: Callable[[np.ndarray], np.ndarray], best: np.ndarray) -> Float[np.ndarray, "3"]:
    """Standard errors of the maximum of a mean over pairs: curvature and the scatter of the pairs' own slopes.

    Cov = H^-1 G H^-1 / n, with H and G from quadratics fitted to each pair around the maximum.
    """
    points = np.random.default_rng(0).uniform(-2, 2, (40, 3))
    upper = np.triu_indices(3)
    design = np.concatenate((np.ones((40, 1)), points, points[:, upper[0]] * points[:, upper[1]]), 1)
    values = np.stack([alike(best + point) for point in points])
    weights = np.linalg.lstsq(design, values, rcond=None)[0]
    slopes, bent = weights[1:4], np.zeros((3, 3))
    bent[upper] = weights[4:].mean(1)
    curvature = np.linalg.pinv(bent + bent.T)
    return np.sqrt(np.diag(curvature @ np.cov(slopes) @ curvature) / values.shape[1])
