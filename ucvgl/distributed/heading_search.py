"""Where panoramas look that begin anywhere: each is described at many turns, and its best tile says which is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ucvgl.atomic import write_array
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.images.image_store import ImageStore
from ucvgl.poses.turns import best_of_stacked, turns_of
from ucvgl.poses.verifying import NEAREST_ALONE, Turns, verified
from ucvgl.programs.embedding import EmbedJob
from ucvgl.training.batches import Pairs

MOST_VERIFIED = 10
"""Candidates of a query, each at its own turn."""


def find_headings(
    asked: EmbedJob,
    searched: Sequence[EmbedJob],
    into: Path,
    machines: Crew,
    *,
    bevs: Path,
    tiles: Path,
    verify: bool,
    turns: Turns = NEAREST_ALONE,
    whitening: float = 0.0,
) -> Path:
    """Write `headings.npy` into a folder: where the middle of every panorama looks, degrees clockwise from north.

    That turn is taken at which a query is most like any of the references or of their mirror images, so that decoys
    have the same chance as tiles. It is right to half a step, 7.5 degrees, if the reference is.

    Args:
        asked: describes the queries, north up.
        searched: describe the references and, after them, their mirror images.
        into: nothing but the result is left there; what describes the references stays in the folders of its jobs.
        bevs: the store of the queries' bird's-eye views.
        tiles: the store of the references.
        verify: compare the best candidates over poses (`ucvgl.poses.verifying`), each around its turn.
        turns: that are tried around it: none is quick, several find more.
        whitening: shrinkage of the whitening of both sides; 0: none.
    """
    file, work = into / "headings.npy", into / "turns"
    if cached.exists(file):
        return file
    tried, looks = at_each_turn(asked, work)
    parts = machines.described([looks, searched], whitening=whitening)
    best = machines.match(*parts, folder=work, k=MOST_VERIFIED if verify else 1)
    score, row, turn = best_of_stacked(best.row_score, best.row_index, len(tried))
    if verify:
        ground: dict[str, Any] = {"bevs": bevs, "tiles": tiles, "folder": work}
        score = verified(score, machines.verify(row, around_deg=tried[turn], turns=turns, **ground))
    chosen = np.take_along_axis(tried[turn], score.argmax(1)[:, None], 1)[:, 0]
    write_array(file, chosen % 360)
    cached.remove(work)
    return file


def at_each_turn(asked: EmbedJob, work: Path) -> tuple[Float[np.ndarray, " t"], list[EmbedJob]]:
    """The headings that are tried, degrees clockwise from north, and what describes the queries at each."""
    tried = -turns_of("unknown")
    folders = [work / f"turn_{number:02d}" for number in range(len(tried))]
    looks = [replace(asked, folder=folder, heading_deg=float(of)) for folder, of in zip(folders, tried, strict=True)]
    return tried, looks


def headings_of_pairs(
    pairs: Pairs, into: Path, machines: Crew, *, bevs: Path
) -> Float[np.ndarray, " q"]:
    """Where the panoramas of known pairs look, as the ground of their tiles tells; of others, 0.

    Args:
        into: what workers leave there is removed.
        bevs: the store of the queries' bird's-eye views.
    """
    tried, headings = -turns_of("unknown"), np.zeros(len(ImageStore(bevs)))
    candidates = np.full((len(headings), len(tried)), -1)
    candidates[pairs.query] = pairs.reference[:, None]
    around = np.broadcast_to(tried, candidates.shape)
    how: dict[str, Any] = {"around_deg": around, "turns": NEAREST_ALONE, "folder": into}
    evidence = machines.verify(candidates, bevs=bevs, tiles=pairs.stores[1], **how)
    headings[pairs.query] = tried[evidence[pairs.query].argmax(1)] % 360
    cached.remove(into)
    return headings
