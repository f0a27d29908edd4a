"""Descriptors as they are searched by: what the encoders say and, on request, the structure of the ground beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ucvgl.networks.towers import Encoders, TwoTowers, View, embed
from ucvgl.poses.structure import DIMENSION, describe
from ucvgl.projection.preprocessing import apart
from ucvgl.pseudo_labels.whitening import Whitening, unit


@dataclass(frozen=True)
class Ground:
    """How the structure of views from above joins a descriptor (`ucvgl.poses.structure`).

    Args:
        share: of the structure in the similarity; the encoders have the rest.
        bev: the whitening of bird's-eye views.
        tile: the whitening of tiles.
    """

    share: float
    bev: Whitening
    tile: Whitening

    def saved(self) -> dict[str, Any]:
        """For a file of weights."""
        sides = {name: (side.mean, side.matrix) for name, side in (("bev", self.bev), ("tile", self.tile))}
        return {"share": self.share} | {name: [*map(torch.from_numpy, side)] for name, side in sides.items()}


def ground_from(saved: dict[str, Any]) -> Ground:
    """What `Ground.saved` gave."""
    sides = {name: Whitening(*(part.cpu().numpy() for part in saved[name]), gaps=True) for name in ("bev", "tile")}
    return Ground(saved["share"], **sides)


def dimension(towers: Encoders) -> int:
    """Numbers in a descriptor that is searched by."""
    ground = ground_of(towers)
    return int(getattr(towers, "dimension", 0)) + (DIMENSION if ground else 0)


def ground_of(towers: Encoders) -> Ground | None:
    """How structure joins the descriptors of these encoders; None where it does not."""
    return ground_from(towers.ground) if isinstance(towers, TwoTowers) and towers.ground else None


def queries(
    towers: Encoders,
    panoramas: UInt8[np.ndarray, "n h w 3"],
    bevs: UInt8[np.ndarray, "n s s 3"] | None = None,
    *,
    panorama_share: float | None = None,
) -> Float[np.ndarray, "n d"]:
    """Unit-norm descriptors of queries.

    Args:
        bevs: their bird's-eye views, where queries are described by both; the encoder of tiles sees them.
        panorama_share: then, before structure; None: what the encoders were told.
    """
    share = getattr(towers, "panorama_share", 1.0) if panorama_share is None else panorama_share
    share = 1.0 if bevs is None else share
    looks: list[tuple[View, np.ndarray | None, float]] = [("query", panoramas, share), ("reference", bevs, 1 - share)]
    seen = [weight * embed(towers, images, view) for view, images, weight in looks if images is not None and weight]
    if bevs is None:
        return seen[0]
    return _beside(unit(np.sum(seen, axis=0)), bevs, ground_of(towers), "bev")


def references(
    towers: Encoders, tiles: UInt8[np.ndarray, "n s s 3"], *, mirrored: bool = False
) -> Float[np.ndarray, "n d"]:
    """Unit-norm descriptors of tiles; their inner products with those of queries are the similarities.

    Args:
        mirrored: see their mirror images instead: tiles that are nobody's (`ucvgl.pseudo_labels.decoys`).
    """
    seen = embed(towers, tiles, "reference", mirrored=mirrored)
    return _beside(seen, tiles, ground_of(towers), "tile", mirrored=mirrored)


def embed_seen(towers: Encoders, images: UInt8[np.ndarray, "n h w 3"], view: View) -> Float[np.ndarray, "n d"]:
    """Unit-norm descriptors of images as `ucvgl.projection.preprocessing` makes them for these encoders.

    Args:
        images: of queries that are described by both, sheets.
    """
    if view == "reference":
        return references(towers, images)
    if not isinstance(towers, TwoTowers) or towers.query == "panorama":
        return queries(towers, images)
    return queries(towers, *apart(images, towers.query_size, towers.reference_size[0]))


def _beside(
    seen: Float[np.ndarray, "n d"],
    images: UInt8[np.ndarray, "n s s 3"],
    ground: Ground | None,
    side: str,
    *,
    mirrored: bool = False,
) -> Float[np.ndarray, "n w"]:
    if ground is None:
        return seen
    structure = getattr(ground, side)(describe(images, mirrored=mirrored))
    shares = np.float32((1 - ground.share) ** 0.5), np.float32(ground.share**0.5)
    return unit(np.concatenate([seen * shares[0], structure * shares[1]], axis=1))
