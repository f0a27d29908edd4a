"""The matching of a round: every training image embedded, and all of them matched, over the whole corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ucvgl.distributed.heading_search import find_headings
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.programs.embedding import EmbedJob, Look
from ucvgl.programs.reranked import rematched
from ucvgl.programs.verified import keep_verified
from ucvgl.pseudo_labels.mutual_matching import matches
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.types import Matches

VERIFIED = "verified"
"""Folder of a round with what its scan found for pairs of bird's-eye view and tile. Encoders have no part in that, and
six of seven candidates were candidates of the round before (`docs/performance.md`)."""
STRUCTURE = "structure"
"""Folder of the curriculum with the structure of all training images, which is the same in every round."""


class Votes(NamedTuple):
    """What each way to compare a query with a tile weighs in their similarity; together 1."""

    panorama: float
    fake: float
    structure: float


def votes(index: int, settings: Curriculum) -> Votes:
    """The weights in the matching of a round: from those of the first to those of the last in equal steps.

    The fake's begins to fall when panoramas are trained on, and is whole before.
    """
    progress, joined = index / max(1, settings.rounds - 1), settings.rounds_without_panoramas
    structure = settings.first_structure_vote * (1 - progress) + settings.final_structure_vote * progress
    progress = max(0, index - joined) / max(1, settings.rounds - 1 - joined)
    fake = settings.first_fake_vote * (1 - progress) + settings.final_fake_vote * progress
    fake = 1.0 if joined and index <= joined else fake
    return Votes((1 - structure) * (1 - fake), (1 - structure) * fake, structure)


def scan(
    start: Path,
    into: Path,
    train: Path,
    fakes: Path,
    vote: Votes,
    experiment: Experiment,
    machines: Crew,
) -> Matches:
    """Embed every training image with the encoders in `start` and match them all, over the whole corpus.

    A query is compared with a tile up to three times: its panorama by the two encoders, its fake by the tile encoder
    alone, and its bird's-eye view by structure, without an encoder. The best tiles of each are verified over poses.
    With labels by the judge, every tile stands beside its mirror image; these decoys are numbered after the tiles.
    Where panoramas begin anywhere, it is searched for first where each looks.

    Args:
        start: folder of the encoders so far; what its round left in `VERIFIED` is used, and removed.
        into: folder of the round; beside it, `STRUCTURE` stays for the next.
        train: folder of the training images.
        fakes: folder of the fakes.
        vote: weights of the three in the similarity.
    """
    settings, tiles = experiment.curriculum, train / "references"
    gaps = experiment.model.aggregation == "map"
    looks = [
        Look(train / "queries", "query", vote.panorama, gaps=gaps),
        Look(fakes, "reference", vote.fake, gaps=gaps),
        Look(train / "bev", "structure", vote.structure),
    ]
    looks = [look for look in looks if look.weight]
    asked, searched = _jobs(looks, start, into / "scan", tiles, settings, structure=into.parent / STRUCTURE)
    ground: dict[str, Any] = {"bevs": train / "bev", "tiles": tiles}
    around = None
    if experiment.headings_searched:
        above = [look for look in looks if look.view != "query"] or looks
        above = [replace(look, weight=look.weight / sum(one.weight for one in above)) for look in above]
        how = ground | {"verify": settings.verified > 0, "whitening": settings.whitening}
        jobs = _jobs(above, start, into / "scan" / "above", tiles, settings, structure=into.parent / STRUCTURE)
        headings = find_headings(*jobs, into / "scan", machines, **how)
        asked, around = replace(asked, heading_deg=headings), load_numbers(cached.here(headings))
    parts = machines.described([[asked], searched], whitening=settings.whitening)
    k = max(2, settings.reciprocal + 1)
    best = machines.match(*parts, folder=into / "scan", k=max(k, settings.verified))
    if settings.verified:
        known = start / VERIFIED if around is None else None  # the headings may be others by now
        evidence = machines.verify(best.row_index, around_deg=around, folder=into / "scan", known=known, **ground)
        if around is None:
            keep_verified(best.row_index, evidence, into / VERIFIED)
        best = rematched(best, evidence, k=k)
    found = replace(matches(best, reciprocal=settings.reciprocal), heading_deg=around)
    for done in (into / "scan", start / VERIFIED):
        cached.remove(done)
    return found


def _jobs(
    looks: Sequence[Look], start: Path, folder: Path, tiles: Path, settings: Curriculum, *, structure: Path
) -> tuple[EmbedJob, list[EmbedJob]]:
    """What describes the queries, and what the tiles and, with labels by the judge, their mirror images."""
    seen = [replace(look, store=tiles, view="structure" if look.view == "structure" else "reference") for look in looks]
    sides = {"queries": looks, "references": seen}
    if settings.labels == "judged":
        sides["decoys"] = [replace(look, mirrored=True) for look in seen]
    how: dict[str, Any] = {"turns": settings.scan_turns, "structure": structure}
    asked, *searched = (
        EmbedJob(tuple(some), start / "model.pt", folder / name, **how) for name, some in sides.items()
    )
    return asked, searched
