"""How sure an index may be, from the held-out images of its run, without a label: confidence and presence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ucvgl.images.mirror_images import mirror_images
from ucvgl.index import headings, nearest
from ucvgl.index.confidence import Calibration, calibrate
from ucvgl.index.encoders import Encoders
from ucvgl.index.ground import Ground, Grounds, in_verified_order, shown_by
from ucvgl.index.headings import each_turned
from ucvgl.index.presence import RIVALS, Presence, calibrate_presence
from ucvgl.index.trained_run import TrainedRun
from ucvgl.networks.searched import references
from ucvgl.poses.ground_views import ground_of_tile
from ucvgl.poses.turns import Heading, turned
from ucvgl.projection.preprocessing import query_of

QUERIES, TILES = 2000, 2000
"""Most queries, and most tiles that are no query's place, that are searched."""
TURNED_QUERIES = 200
"""Most queries where each is described at many turns."""


@dataclass(frozen=True)
class Sureness:
    """What an index says about its answers.

    Args:
        calibration: of the confidence; None where there is none.
        presence: of the probability that a place is in the index; likewise.
        reason: why there is none.
    """

    calibration: Calibration | None = None
    presence: Presence | None = None
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """Held-out queries.

    Args:
        vectors: of each at each of its turns.
        grounds: around their cameras; empty where nothing is verified.
        heading: whether it is known.
        verified: first tiles of each that are verified.
    """

    vectors: Float[np.ndarray, "n t d"]
    grounds: Sequence[Ground]
    heading: Heading
    verified: int


@dataclass(frozen=True)
class Pool:
    """Tiles that are searched.

    Args:
        searcher: their faiss index.
        count: of them.
        ground: gives that of a row.
    """

    searcher: Any
    count: int
    ground: Callable[[int], Ground]


def sureness_of(
    run: TrainedRun,
    encoders: Encoders,
    searcher: Any,
    count: int,
    *,
    heading: Heading = "known",
    verified: int = 0,
    grounds: Grounds | None = None,
) -> Sureness:
    """Calibrate the answers of an index.

    The decoys are the index's own tiles where these are another area than that of the run's validation queries, as
    the number of tiles is then the right one; else tiles that were trained on.

    Args:
        searcher: the faiss index of its tiles.
        count: of these.
        heading: of the photos that it will be asked for.
        verified: first tiles of an answer that it verifies; needs `grounds`, those of its tiles.
    """
    held_out = run.held_out()
    if held_out is None:
        return Sureness(reason="the run has no evaluated validation images that it was not trained on")
    queries, own = held_out
    held = partial(nearest.as_held, searcher)  # tiles that stand beside those of the index are held as these are
    if nearest.holds_any(searcher, own[:TILES]):  # tiles of the queries' own area
        images = run.training_tiles(min(TILES, max(len(own), count - len(own))))
        decoys = _pool(held(encoders.embed_seen(images, "reference")), partial(_ground_in, images))
    else:
        assert grounds is not None or not verified
        decoys = Pool(searcher, count, grounds or _nothing)
    if decoys.count < 2 or len(own) < 2:
        return Sureness(reason="there are too few tiles to choose between")
    try:
        own = held(own)
        asked = _asked(run, encoders, queries, heading, verified)
        tiles = _pool(own, lambda row: ground_of_tile(run.held_out_tiles(np.array([row]))[0]))
        score, number = _ranked(asked, tiles, decoys)
        on_own = number < tiles.count
        own_best, decoy_best = (_first(score, some) for some in (on_own, ~on_own))
        confidence = calibrate(own_best, decoy_best, own_tiles=tiles.count, decoys=decoys.count)
        # Where their own area is large, photos are searched in a part of it: those whose best tile is in that part.
        best = _first(number, on_own)[:, 0]
        part = part_of(len(own), best)
        theirs = np.isin(best, part)
        images = run.held_out_tiles(part)
        mirrors = held(references(encoders.towers, images, mirrored=True))
        here = score
        if len(part) < len(own):
            here, _ = _ranked(asked, _pool(own[part], partial(_ground_in, images)), decoys)
        elsewhere, _ = _ranked(asked, _pool(mirrors, partial(_ground_in, mirror_images(images))), decoys)
        presence = calibrate_presence(here[theirs], elsewhere[theirs], pool=len(part) + decoys.count)
    except (ValueError, OSError) as error:
        return Sureness(reason=str(error))
    return Sureness(confidence, presence)


def _asked(
    run: TrainedRun, encoders: Encoders, queries: Float[np.ndarray, "q d"], heading: Heading, verified: int
) -> Asked:
    """The queries that are searched; where headings are unknown, they are made to begin anywhere."""
    if heading == "known":
        vectors = queries[:QUERIES, None]
        bevs = run.held_out_bevs(np.arange(len(vectors))) if verified else []
        return Asked(vectors, [ground_of_tile(bev) for bev in bevs], heading, verified)
    random, how = np.random.default_rng(0), encoders.preprocessing("query")
    show, found, grounds = shown_by("query", encoders.projection) if verified else None, [], []
    for uri in run.held_out_photos(TURNED_QUERIES):
        photo = turned(query_of(uri, how, heading_deg=0.0).panorama, random.uniform(0, 360))
        found.append(encoders.embed_panoramas(list(each_turned(photo, "unknown"))))
        grounds += [show(photo)] if show else []
    return Asked(np.stack(found), grounds, heading, verified)


def _ranked(asked: Asked, own: Pool, decoys: Pool) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Similarities and numbers of the best tiles of two pools together, best first; decoys follow after the own."""

    def ground(number: int) -> Ground:
        return own.ground(number) if number < own.count else decoys.ground(number - own.count)

    first, second = (
        headings.search(partial(nearest.search, pool.searcher), asked.vectors, RIVALS + 1) for pool in (own, decoys)
    )
    shifted = (second[0], np.where(second[1] >= 0, second[1] + own.count, -1), second[2])
    order = np.argsort(-np.hstack((first[0], second[0])), axis=1, kind="stable")
    found = [np.take_along_axis(np.hstack(both), order, 1) for both in zip(first, shifted, strict=True)]
    if asked.verified:
        how = {"count": asked.verified, "heading": asked.heading}
        found = in_verified_order((found[0], found[1], found[2]), asked.grounds, ground, **how)
    return found[0], found[1]


def part_of(count: int, best: Int[np.ndarray, " q"]) -> Int[np.ndarray, " t"]:
    """Rows of `TILES` of so many tiles, drawn at random, but half of them from those that are best for a query: of a
    hundred thousand others hardly any would be.
    """
    random = np.random.default_rng(0)
    chosen = random.permutation(np.unique(best))[: TILES // 2] if count > TILES else best[:0]
    others = random.permutation(count)
    others = others[~np.isin(others, chosen)][: TILES - len(chosen)]
    return np.sort(np.concatenate((chosen, others)))


def _first(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The first two of each row's chosen values."""
    order = np.argsort(~chosen, axis=1, kind="stable")[:, :2]
    return np.take_along_axis(values, order, 1)


def _pool(vectors: Float[np.ndarray, "n d"], ground: Callable[[int], Ground]) -> Pool:
    return Pool(nearest.exact(vectors), len(vectors), ground)


def _ground_in(images: np.ndarray, row: int) -> Ground:
    return ground_of_tile(images[row])


def _nothing(row: int) -> Ground:
    raise AssertionError(f"the ground of tile {row} was asked for where nothing is verified")
