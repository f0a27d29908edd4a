"""How sure an index may be, from the held-out images of its run, without a label: confidence and presence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from ucvgl.index import headings, nearest
from ucvgl.index.confidence import Calibration, calibrate
from ucvgl.index.encoders import Encoders
from ucvgl.index.headings import Heading, each_turned, turned
from ucvgl.index.presence import RIVALS, Presence, calibrate_presence
from ucvgl.index.trained_run import TrainedRun
from ucvgl.networks.searched import references
from ucvgl.projection.preprocessing import pixels

QUERIES, TILES = 2000, 2000
"""Most queries, and most tiles that are no query's place, that are searched."""
TURNED_QUERIES = 200
"""Most queries where each is described at many turns."""
SAME = 0.999
"""Tiles more similar than this are the same image."""


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


def sureness_of(
    run: TrainedRun, encoders: Encoders, searcher: Any, count: int, *, heading: Heading = "known"
) -> Sureness:
    """Calibrate the answers of an index.

    The decoys are the index's own tiles where these are another area than that of the run's validation queries, as
    the number of tiles is then the right one; else tiles that were trained on.

    Args:
        searcher: the faiss index of its tiles.
        count: of these.
        heading: of the photos that it will be asked for.
    """
    held_out = run.held_out()
    if held_out is None:
        return Sureness(reason="the run has no evaluated validation images that it was not trained on")
    queries, own = held_out
    twins, _ = nearest.search(searcher, own[:TILES], 1)
    if (twins > SAME).any():  # the index holds tiles of the queries' own area
        decoys = encoders.embed_seen(run.training_tiles(min(TILES, max(len(own), count - len(own)))), "reference")
        searcher, count = _exact(decoys), len(decoys)
    if count < 2 or len(own) < 2:
        return Sureness(reason="there are too few tiles to choose between")
    try:
        asked = queries[:QUERIES, None] if heading == "known" else _begun_anywhere(run, encoders)
        own_best, own_row = _search(_exact(own), asked)
        decoy_best, _ = _search(searcher, asked)
        confidence = calibrate(own_best, decoy_best, own_tiles=len(own), decoys=count)
        # Where their own area is large, photos are searched in a part of it: those whose best tile is in that part.
        part = np.sort(np.random.default_rng(0).permutation(len(own))[:TILES])
        theirs = np.isin(own_row[:, 0], part)
        mirrors = references(encoders.towers, run.held_out_tiles(part), mirrored=True)
        here, elsewhere = (
            np.concatenate((_search(_exact(tiles), asked)[0], decoy_best), 1)[theirs] for tiles in (own[part], mirrors)
        )
        presence = calibrate_presence(_descending(here), _descending(elsewhere), pool=len(part) + count)
    except (ValueError, OSError) as error:
        return Sureness(reason=str(error))
    return Sureness(confidence, presence)


def _begun_anywhere(run: TrainedRun, encoders: Encoders) -> Float[np.ndarray, "n t d"]:
    """Held-out queries that are made to begin anywhere, described at all turns."""
    random, enough = np.random.default_rng(0), encoders.preprocessing("query").enough
    begun = (
        turned(pixels(uri, enough=enough), random.uniform(0, 360)) for uri in run.held_out_photos(TURNED_QUERIES)
    )
    return np.stack([encoders.embed_queries(list(each_turned(photo, "unknown"))) for photo in begun])


def _search(searcher: Any, vectors: Float[np.ndarray, "n t d"]) -> tuple[np.ndarray, np.ndarray]:
    return headings.search(partial(nearest.search, searcher), vectors, RIVALS + 1)[:2]


def _descending(scores: np.ndarray) -> np.ndarray:
    return -np.sort(-scores, axis=1)


def _exact(vectors: np.ndarray) -> Any:
    return nearest.build("flat", lambda: iter([vectors]), count=len(vectors), dimension=vectors.shape[1])
