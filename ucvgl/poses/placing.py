"""Where in a tile a camera stood and where it looked: its bird's-eye view against the tile, over shifts and turns.

Edges of the ground (`ucvgl.poses.structure`) are correlated by FFT. How much a correlation means nobody is told: both
halves of the ground around a camera must name one place, and how often they do says it (`learned`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.interpolate import CubicSpline, RectBivariateSpline
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from ucvgl.poses.fields import field, near, normalised, shifts, turned, usual
from ucvgl.poses.ground_views import SIDE

REACH = 19
"""Farthest shift that is tried, pixels: three tenths of the side."""
PADDED = 84
"""At least `SIDE + REACH`, and quickly transformed."""
WEDGES = 16
"""The ground around the camera in as many wedges, in turns of the one half and of the other."""
HALVES_ARE_ALIKE = 0.6
"""What two halves of one image tell together, against what they would if they were independent: with it, radii that
are to hold 68 % held 67.5 % on average of six worlds, and from 56 to 87, none of them reported (`docs/localize.md`)."""
HEADINGS_ARE_ALIKE = 0.95
"""The same for headings, which both halves tell apart more independently; chosen on two other worlds than those that it
is reported for, where radii that are to hold 68 % held 68 and 70."""
KNOWN = tuple(float(turn) for turn in range(-12, 13, 3))
UNKNOWN = tuple(float(turn) for turn in range(-180, 180, 5))
"""Turns that are tried, degrees, where a camera's heading is known up to some error, and where it is not."""
BETWEEN = 12
"""Headings between two turns that are told apart."""
FINER = 4
"""Places between two shifts that are told apart, per axis."""
SHARPNESS = (math.log(1e-4), math.log(0.3))
FEWEST_PAIRS = 30
SURE = 5.0
"""Standard errors by which halves must agree more than those of strangers."""


@dataclass(frozen=True)
class Placing:
    """What a correlation means, and where cameras usually stand.

    Args:
        sharpness: log odds per unit of likeness.
        off_centre: standard deviation of cameras from the middle of their tile, per axis, as a share of its side.
        off_north_deg: standard deviation of their headings from what they are said to be.
        pairs: of bird's-eye view and tile that it was learned from.
    """

    sharpness: float
    off_centre: float
    off_north_deg: float
    pairs: int

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) and value > 0 for value in vars(self).values()):
            raise ValueError(f"a placing is made of positive numbers, not {self}")


@dataclass(frozen=True)
class Pose:
    """A camera on its tile.

    Args:
        east: of the tile's middle, as a share of its side.
        radius: that holds the camera with 68 %, if it is this tile; likewise.
        heading_deg: of the panorama's middle, clockwise from north, in -180 to 180.
        heading_radius_deg: that holds the heading with 68 %.
    """

    east: float
    north: float
    radius: float
    heading_deg: float
    heading_radius_deg: float


def place(
    bev: UInt8[np.ndarray, "h h 3"],
    tile: UInt8[np.ndarray, "s s 3"],
    placing: Placing,
    turns: Sequence[float] = KNOWN,
    *,
    around_deg: float = 0.0,
) -> Pose:
    """The most probable pose of a camera, given that it stood on this tile.

    Args:
        bev: the ground around the camera, as large as the tile.
        turns: evenly spaced headings that are tried, degrees clockwise from `around_deg`.
        around_deg: where the middle of its panorama is thought to look.
    """
    headings = around_deg + np.asarray(turns)
    both = placing.sharpness * likeness(bev, tile, headings.tolist()).sum(0)
    often = _usual(placing, tuple(turns))
    east, north, radius = _place(logsumexp(HALVES_ARE_ALIKE * both + often, axis=0))
    looks = _heading(logsumexp(HEADINGS_ARE_ALIKE * both + often, axis=(1, 2)), headings)
    return Pose(east / SIDE, north / SIDE, radius / SIDE, *looks)


def likeness(
    bev: UInt8[np.ndarray, "h h 3"], tile: UInt8[np.ndarray, "s s 3"], turns: Sequence[float]
) -> Float[np.ndarray, "2 t y x"]:
    """How alike the halves of a turned bird's-eye view are to a tile at every shift, from south-west to north-east."""
    below = _spectrum(field(tile, SIDE))
    found = []
    for turn in turns:
        spectra = _spectrum(field(turned(bev, turn), SIDE) * _halves()[:, None])
        product = np.fft.irfft2((spectra.conj() * below).sum(1), s=(PADDED, PADDED))
        found.append(np.roll(product, (REACH, REACH), (1, 2))[:, 2 * REACH :: -1, : 2 * REACH + 1])
    return np.stack(found, 1).astype(np.float32)


def learned(
    halves: Float[np.ndarray, "n 2 t y x"],
    strangers: Float[np.ndarray, "n 2 t y x"],
    turns: Sequence[float] = KNOWN,
) -> Placing:
    """What likeness means and where cameras stand, from pairs of bird's-eye view and tile whose pose nobody knows.

    If log P(half | pose) is b times its likeness, both halves come from one pose with
    sum P(pose) P(A | pose) P(B | pose), and from two poses with sum P(pose) P(A | pose) sum P(pose) P(B | pose): b
    makes the first as much likelier as it can. P(pose) is the mean of what the pairs say, and both are found in turns.

    Args:
        halves: of each pair, `likeness` at these turns; a few may be no pairs.
        strangers: of each view and the tile of another.

    Raises:
        ValueError: too few pairs, or their halves agree no more than those of strangers.
    """
    pairs = len(halves)
    if pairs < FEWEST_PAIRS:
        raise ValueError(f"{pairs} pairs of panorama and tile are too few to learn positions, it takes {FEWEST_PAIRS}")
    (east, north), degrees, each = shifts(REACH), np.asarray(turns), torch.from_numpy(halves)
    both = each.sum(1)
    placing = anywhere = Placing(0.01, 0.25, 5.0, pairs)
    for _ in range(4):
        often = torch.from_numpy(_usual(placing, tuple(turns)))

        best: Any = minimize_scalar(
            lambda b, often=often: -float(_agreement(each, math.exp(b), often).mean()),
            bounds=SHARPNESS,
            method="bounded",
            options={"xatol": 0.05},
        )
        sharpness = math.exp(best.x)
        log_odds = HALVES_ARE_ALIKE * sharpness * both + often
        chance = torch.exp(log_odds - _sum(log_odds)[:, None, None, None]).mean(0).numpy()
        off_centre = math.sqrt((chance.sum(0) * (east**2 + north**2)).sum() / 2)
        off_north = math.sqrt((chance.sum((1, 2)) * degrees**2).sum())
        placing = Placing(sharpness, max(off_centre, 0.5) / SIDE, max(off_north, 1.0), pairs)
    # Where cameras stand in the middle, halves of strangers agree on that as well: only the ground is to tell.
    often = torch.from_numpy(_usual(anywhere, tuple(turns)))
    more = _agreement(each, sharpness, often) - _agreement(torch.from_numpy(strangers), sharpness, often)
    if float(more.mean()) < SURE * float(more.std()) / math.sqrt(pairs):
        raise ValueError(
            "bird's-eye views do not show where on their tiles they lie; `ucvgl doctor --geometry` says whether the "
            "projection fits"
        )
    return placing


@lru_cache(maxsize=1)
def _halves() -> Float[np.ndarray, "2 s s"]:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    wedge = np.floor((np.arctan2(x, -y) / (2 * math.pi) + 0.5) * WEDGES).astype(int) % 2
    return np.stack([near(SIDE) * (wedge == half) for half in (0, 1)]).astype(np.float32)


def _spectrum(fields: np.ndarray) -> np.ndarray:
    return np.fft.rfft2(fields, s=(PADDED, PADDED))


@lru_cache(maxsize=8)
def _usual(placing: Placing, turns: tuple[float, ...]) -> Float[np.ndarray, "t y x"]:
    """Log of how often cameras stand and look so."""
    return usual(REACH, placing.off_centre * SIDE, turns, placing.off_north_deg)


def _agreement(halves: torch.Tensor, sharpness: float, usual: torch.Tensor) -> torch.Tensor:
    """Of each pair, by how much its halves come rather from one pose than from two; natural logarithm."""
    return _sum(sharpness * halves.sum(1) + usual) - sum(_sum(sharpness * half + usual) for half in halves.unbind(1))


def _sum(log_odds: torch.Tensor) -> torch.Tensor:
    """Of the odds of each pair, and its logarithm."""
    return log_odds.flatten(1).logsumexp(1)


def _place(log_odds: Float[np.ndarray, "y x"]) -> tuple[float, float, float]:
    """East and north of the peak, between pixels, and the radius around it that holds 68 %.

    The logarithm of the odds is smooth between pixels: a bicubic spline through it tells those.
    """
    whole, fine = np.arange(-REACH, REACH + 1), np.linspace(-REACH, REACH, 2 * REACH * FINER + 1)
    chance = normalised(RectBivariateSpline(whole, whole, log_odds)(fine, fine))
    y, x = np.unravel_index(chance.argmax(), chance.shape)
    off = np.hypot(fine - fine[x], (fine - fine[y])[:, None])
    return float(fine[x]), float(fine[y]), _holding(off, chance)


def _heading(log_odds: Float[np.ndarray, " t"], turns: Float[np.ndarray, " t"]) -> tuple[float, float]:
    """The peak, between turns, and the radius around it that holds 68 %, degrees.

    The logarithm of the odds is smooth between turns: a cubic spline through it tells those.
    """
    if turns[-1] - turns[0] > 180:
        turns, log_odds = np.append(turns, turns[0] + 360), np.append(log_odds, log_odds[0])
    fine = np.linspace(turns[0], turns[-1], BETWEEN * (len(turns) - 1) + 1)
    smooth = normalised(CubicSpline(turns, log_odds)(fine))
    found = fine[smooth.argmax()]
    off = np.abs((fine - found + 180) % 360 - 180)
    order = off.argsort()
    radius = np.interp(0.68, np.cumsum(smooth[order]), off[order])
    return float((found + 180) % 360 - 180), float(radius)


def _holding(distance: np.ndarray, chance: np.ndarray, share: float = 0.68) -> float:
    """The radius that holds a share, in cells; a place is known to a sixth of a cell at best."""
    order = distance.ravel().argsort()
    held = np.cumsum(chance.ravel()[order])
    return math.hypot(float(np.interp(share, held, distance.ravel()[order])), 1 / 6)
