"""How well a bird's-eye view fits a tile, over where in the tile the camera may have stood and how far it was turned.

A descriptor says what a view shows in its cells; a camera that stands a little aside moves the ground over their
borders. The best candidates of a query are therefore compared once more, over poses, by the structure of the ground:

    evidence = log sum over poses of  P(pose) exp(SHARPNESS likeness(pose))         verified = cosine + WEIGHT evidence

with the likeness of `ucvgl.poses.placing`, by FFT; all constants were chosen on two worlds (`docs/reproduce.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex64, Float, Float32, UInt8

from ucvgl.images.decode import resize
from ucvgl.poses.fields import field, near, turned, usual

SIDE = 48
"""Pixels of a bird's-eye view and of a tile."""
REACH = 14
"""Farthest shift that is tried, pixels: three tenths of the side."""
PADDED = 64
"""At least `SIDE + REACH`, and quickly transformed."""
OFF_CENTRE = 0.12
"""Standard deviation of cameras from the middle of their tile, per axis, as a share of its side."""
SHARPNESS = 0.0142
"""Log odds per unit of likeness."""
WEIGHT = 1 / 80
"""Of the evidence beside the cosine of two descriptors."""
PAIRS_AT_ONCE = 512
"""On a card; the largest of what is held of them is a quarter of a GB."""


class Turns(NamedTuple):
    """Headings that are tried, degrees from the one that is thought to be right, and how far off that usually is."""

    degrees: tuple[float, ...]
    deviation: float


class Fit(NamedTuple):
    """A bird's-eye view where it lies best on a tile.

    Args:
        evidence: how much speaks for the tile, over all poses.
        east: of the camera from the tile's middle, as a share of its side.
        turn_deg: of the panorama's middle, clockwise from where it is thought to look.
    """

    evidence: float
    east: float
    north: float
    turn_deg: float


KNOWN = Turns((-4.0, 0.0, 4.0), 4.0)
NEAREST = Turns((-8.0, -4.0, 0.0, 4.0, 8.0), 5.9)
"""Where the heading was told to the nearest of 24 turns: 4 degrees, and those of a step of 15 degrees."""
NEAREST_ALONE = Turns((0.0,), 5.9)
"""The same without turns around it: to tell 24 turns apart."""
TileSpectra = Complex64[torch.Tensor, "k c y x"] | Sequence[Complex64[torch.Tensor, "c y x"]]
GroundSpectra = Complex64[torch.Tensor, "t c y x"]


def tile_spectrum(
    tile: UInt8[np.ndarray, "s s 3"], device: torch.device | str = "cpu"
) -> Complex64[torch.Tensor, "c y x"]:
    """What a tile is compared by."""
    return spectra(tile_fields(tile), device)


def tile_fields(tile: UInt8[np.ndarray, "s s 3"]) -> Float32[np.ndarray, "c f f"]:
    """What the spectrum of a tile is made of, on a processor."""
    return field(tile, SIDE)


def ground_spectra(
    bev: UInt8[np.ndarray, "s s 3"],
    device: torch.device | str = "cpu",
    *,
    turns: Turns = KNOWN,
    around_deg: float = 0.0,
) -> GroundSpectra:
    """What a bird's-eye view is compared by, at each of the turns.

    Args:
        bev: as large as the tile.
        around_deg: where the middle of its panorama is thought to look, clockwise from north.
    """
    return spectra(ground_fields(bev, turns=turns, around_deg=around_deg), device)


def ground_fields(
    bev: UInt8[np.ndarray, "s s 3"], *, turns: Turns = KNOWN, around_deg: float = 0.0
) -> Float32[np.ndarray, "t c f f"]:
    """What `ground_spectra` are made of, on a processor."""
    if bev.shape[0] > 2 * SIDE:
        bev = resize(bev, 2 * SIDE, 2 * SIDE)
    weight = near(SIDE).astype(np.float32)
    views = [turned(bev, around_deg + turn) for turn in turns.degrees]
    return np.stack([field(view, SIDE) * weight for view in views])


def spectra(
    fields: Float32[np.ndarray, "*n c s s"], device: torch.device | str
) -> Complex64[torch.Tensor, "*n c y x"]:
    """The spectra of one or of many, on the device that compares them."""
    return torch.fft.rfft2(torch.from_numpy(fields).to(device), s=(PADDED, PADDED))


def evidence(ground: GroundSpectra, tiles: TileSpectra, turns: Turns = KNOWN) -> Float32[np.ndarray, " k"]:
    """How much speaks for each tile: the logarithm of the odds that the camera stood there, up to a constant."""
    return _log_odds(ground, tiles, turns).flatten(1).logsumexp(1).cpu().numpy()


def evidence_at_once(
    grounds: Complex64[torch.Tensor, "g t c y x"],
    tiles: Sequence[Sequence[Complex64[torch.Tensor, "c y x"]]],
    turns: Turns = KNOWN,
) -> list[Float32[np.ndarray, " _"]]:
    """The evidence for the tiles of each ground, many pairs at a time: a card is asked for few large products.

    Args:
        tiles: the spectra of those that each ground is compared with, any number.
    """
    pairs = [(number, tile) for number, several in enumerate(tiles) for tile in several]
    found = [torch.zeros(0)]
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        numbers, some = zip(*pairs[first : first + PAIRS_AT_ONCE], strict=True)
        own = grounds[torch.tensor(numbers, device=grounds.device)].conj()
        odds = _odds((own * torch.stack(some)[:, None]).sum(2), turns)
        found.append(odds.flatten(1).logsumexp(1).cpu())
    ends = np.cumsum([len(several) for several in tiles])
    return np.split(torch.cat(found).numpy(), ends[:-1])


def fits(ground: GroundSpectra, tiles: TileSpectra, turns: Turns = KNOWN) -> list[Fit]:
    """How a bird's-eye view lies on each tile, where it lies best."""
    odds = _log_odds(ground, tiles, turns)
    found = []
    for best, told in zip(odds.flatten(1).argmax(1).tolist(), evidence(ground, tiles, turns).tolist(), strict=True):
        turn, north, east = np.unravel_index(best, odds.shape[1:])
        found.append(Fit(told, (east - REACH) / SIDE, (north - REACH) / SIDE, turns.degrees[turn]))
    return found


def verified(
    similarity: Float[np.ndarray, "*k"], evidence: Float[np.ndarray, "*k"]
) -> Float[np.ndarray, "*k"]:
    """The similarity of candidates and what their ground adds, in the unit of the first, a cosine."""
    return similarity + WEIGHT * evidence


def _log_odds(ground: GroundSpectra, tiles: TileSpectra, turns: Turns) -> Float32[torch.Tensor, "k t r r"]:
    """Of every pose on every tile, up to a constant.

    Tile by tile: products of all at once would not fit into a processor's nearest memory.
    """
    own = ground.conj().resolve_conj()
    return _odds(torch.stack([(own * tile).sum(1) for tile in tiles]), turns)


def _odds(products: Complex64[torch.Tensor, "k t y x"], turns: Turns) -> Float32[torch.Tensor, "k t r r"]:
    """By the likeness at every turn and shift, from south-west to north-east, and by how usual those are."""
    likeness = torch.roll(torch.fft.irfft2(products, s=(PADDED, PADDED)), (REACH, REACH), (2, 3))
    likeness = likeness[..., : 2 * REACH + 1, : 2 * REACH + 1].flip(2)
    return SHARPNESS * likeness + torch.from_numpy(_usual(turns)).to(likeness.device)


@lru_cache(maxsize=2)
def _usual(turns: Turns) -> Float32[np.ndarray, "t r r"]:
    """Log of how often cameras stand and look so."""
    return usual(REACH, OFF_CENTRE * SIDE, *turns)
