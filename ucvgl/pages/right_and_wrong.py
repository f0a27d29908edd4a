"""What the network did: which answers are right, at which place the true tile came, and what speaks for either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from ucvgl.files.plain import REMAKE
from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.attention import attention
from ucvgl.networks.towers import load_towers
from ucvgl.pages.gallery import lit
from ucvgl.pages.page import Attention, Image, Retrieval
from ucvgl.poses.verifying import Fit, fits, ground_spectra, tile_spectrum
from ucvgl.run import columns
from ucvgl.settings.experiment import Experiment

HITS, MISSES = 4, 4
"""Retrievals shown of each kind."""
PLACES = (1, 2, 5, 10, 100)
"""Last places of the groups that are counted."""


def retrievals(validation: Path, scored: Path, experiment: Experiment) -> list[Retrieval]:
    """Some hits and misses of the validation queries.

    Args:
        validation: stores of the images.
        scored: folder of the stage that evaluated.
    """
    panoramas, bevs, tiles = (ImageStore(validation / name) for name in ("queries", "bev", "references"))
    bev, posed = experiment.projection.bev, experiment.projection.bev and experiment.contrast.heading == "known"
    shown = []
    for row in _shown(scored, len(panoramas), len(tiles)):
        query, best, true = row["query_row"], row["reference_rows"], row["true_row"]
        seen = list(tiles.read(best if true in best or true < 0 else [*best, true]))
        ground = bevs.read([query])[0] if bev else None
        shown.append(
            Retrieval(
                query_id=str(panoramas.ids[query]),
                panorama=panoramas.read([query])[0],
                bev=ground,
                tiles=seen[: len(best)],
                similarities=row["scores"],
                rank=row["rank"],
                right=row["right"],
                true_tile=seen[-1] if len(seen) > len(best) else None,
                fits=_fits(ground, seen) if posed and ground is not None else (),
            )
        )
    return shown


def true_places(scored: Path) -> list[tuple[str, int]]:
    """How many queries have their true tile at which places; empty where no truth is known."""
    rank = np.array([row["rank"] for row in _rows(scored)])
    rank, last, found = rank[rank >= 0], 0, []
    for end in (*PLACES, np.inf):
        words = {1: "first", 2: "second", np.inf: f"after {last}"}.get(end, f"{last + 1} to {end:.0f}")
        found.append((words, int(((rank >= last) & (rank < end)).sum())))
        last = end
    return found if len(rank) else []


def attended(validation: Path, trained: Path, scored: Path) -> list[Attention]:
    """The same hits and misses, each with its best tile and the true one, as the last encoders look at them."""
    panoramas, tiles = (ImageStore(validation / name) for name in ("queries", "references"))
    shown = _shown(scored, len(panoramas), len(tiles))
    towers = load_towers(trained / "model.pt")

    def seen(store: ImageStore, rows: list[int], view: Any) -> list[tuple[Image, Image]]:
        images = store.read(rows)
        heats = attention(towers, images, view)
        return [] if heats is None else [(image, lit(image, heat)) for image, heat in zip(images, heats, strict=True)]

    query = seen(panoramas, [row["query_row"] for row in shown], "query")
    first = seen(tiles, [row["reference_rows"][0] for row in shown], "reference")
    missed = [row["rank"] > 0 and row["true_row"] >= 0 for row in shown]
    true = seen(tiles, [max(row["true_row"], 0) for row in shown], "reference")
    if not query or not first:
        return []
    return [
        Attention(*looks, *best, *(other if wrong else (None, None)))
        for looks, best, other, wrong in zip(query, first, true, missed, strict=True)
    ]


def _fits(bev: UInt8[np.ndarray, "s s 3"], tiles: list[Image]) -> list[Fit]:
    return fits(ground_spectra(bev), torch.stack([tile_spectrum(tile) for tile in tiles]))


def _shown(scored: Path, queries: int, references: int) -> list[dict]:
    """The first hits, in the order of their opaque ids, and misses from the nearest to the farthest true tile."""
    table, file = _rows(scored), scored / "retrievals.parquet"
    for row in table:
        best = row["reference_rows"]
        rows = [*best, row["true_row"]]  # -1: none
        if not (best and 0 <= row["query_row"] < queries and -1 <= min(rows) <= max(rows) < references):
            raise ValueError(f"{file} is damaged: it names images that are not there; {REMAKE}")
    hits = [row for row in table if row["rank"] == 0]
    misses = sorted((row for row in table if row["rank"] > 0), key=lambda row: row["rank"])
    misses = misses or [row for row in table if row["rank"] < 0]
    some = np.linspace(0, len(misses) - 1, min(MISSES, len(misses))).round().astype(int)
    return hits[:HITS] + [misses[row] for row in some]


def _rows(scored: Path) -> list[dict]:
    table = read_table(scored / "retrievals.parquet", columns.RETRIEVALS, optional=("true_row",)).to_pylist()
    return [{"true_row": -1, **row} for row in table]
