"""Whose encoders a run keeps, and when it stops: decided by decoys on the validation images, not by truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from ucvgl.atomic import write_whole
from ucvgl.distributed.heading_search import find_headings
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.parts import in_order, read_part
from ucvgl.files.plain import REMAKE, json_as
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import HALF, load_towers, save_towers
from ucvgl.poses.verifying import NEAREST
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.programs.ranked import Ranking
from ucvgl.programs.reranked import candidates_of, each_once, evidence_for, reranked
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, Estimate, judged_recall
from ucvgl.retrieval.ranking import Question
from ucvgl.settings.experiment import Experiment, QueryBy

KEPT = "kept.json"
KEPT_PARTNERS = DECOYS_AHEAD + 1
"""Best references, or decoys, of a query that the numbers are made from."""
PANORAMA_SHARES = (0.0, 0.25, HALF, 0.75, 1.0)
LEAST_GAIN = 0.02
"""Of recall: the judge's error differs that much between shares of the same encoders."""


@dataclass(frozen=True)
class Kept:
    """What `kept.json` says."""

    round: int
    judged_recalls: list[float]


@dataclass(frozen=True)
class Weighed:
    """What `query.json` says."""

    panorama_share: Annotated[float, Field(ge=0, le=1)]
    judged_recalls: dict[str, float]


@dataclass(frozen=True)
class AskedAs:
    """How queries are searched for.

    Args:
        query: what they are described by.
        verified: first candidates of a query that are verified over poses.
        headings_searched: whether they begin anywhere, and their turn is searched for first.
    """

    query: QueryBy = "panorama"
    verified: int = 0
    headings_searched: bool = False


def asked_as(experiment: Experiment, *, verified: int) -> AskedAs:
    """How the queries of an experiment are searched for."""
    return AskedAs(experiment.query_by, verified, experiment.headings_searched)


def recall_of_round(into: Path, projected: Path, machines: Crew, *, how: AskedAs) -> Estimate:
    """Recall of the encoders in `into` on the validation images as far as decoys tell, without truth; kept there.

    The decoys are the tiles, mirrored.

    Args:
        into: folder of the round.
        projected: folder of `2_project`.
    """
    file = into / "judged.json"
    if not file.exists():
        images, seen = projected / "validation", into / "seen"
        ranking = rank_images(seen, into / "model.pt", images, [], machines, how=how)
        judged = judged_recall(ranking.best_of_all.index, len(ImageStore(images / "references")))
        write_whole(file, json.dumps(asdict(judged)))
        cached.remove(seen)
    return json_as(Estimate, file.read_bytes(), file)


def weigh_query(kept: Path, folder: Path, projected: Path, machines: Crew, *, how: AskedAs) -> float:
    """Write `folder/model.pt`, the encoders in `kept` told what panorama and bird's-eye view weigh in a query.

    Of `PANORAMA_SHARES` that one is taken with which most validation images are found as far as decoys tell, without
    truth, if these are more by `LEAST_GAIN` than with halves. Descriptors of tiles are made once.

    Args:
        kept: folder of the encoders; its file stays as it is, as other machines may have it.

    Returns:
        The panorama's share.
    """
    told, seen = folder / "query.json", folder / "weighed"
    if not told.exists():
        recalls = _recalls_by_share(kept / "model.pt", seen, projected / "validation", machines, how)
        best = max(recalls, key=recalls.__getitem__)
        best = best if recalls[best] >= recalls[HALF] + LEAST_GAIN else HALF
        write_whole(told, json.dumps({"panorama_share": best, "judged_recalls": recalls}) + "\n")
    cached.remove(seen)  # what is left of it is never read again
    share = json_as(Weighed, read_part(told), told).panorama_share
    towers = load_towers(cached.here(kept / "model.pt"))
    towers.panorama_share = share
    save_towers(towers, folder / "model.pt")
    return share


def _recalls_by_share(
    model: Path, into: Path, images: Path, machines: Crew, how: AskedAs
) -> dict[float, float]:
    """What decoys tell of each share. A tile that is a candidate of a query with several is verified once."""
    count, found = len(ImageStore(images / "references")), {}
    headings = _headings(model, into, images, machines, how)
    for share in PANORAMA_SHARES:
        of_share = into / f"panorama_{share:g}"
        of_share.mkdir(parents=True, exist_ok=True)
        shown = {"tiles": into, "share": share, "headings": headings}
        found[share] = _ranked(of_share, model, images, [], machines, how, **shown)
    if how.verified:
        tried = [candidates_of(ranking, how.verified, references=count) for ranking in found.values()]
        every = each_once(np.hstack(tried))
        evidence = _evidence(every, images, into, machines, headings)
        for share, candidates in zip(found, tried, strict=True):
            found[share] = reranked(found[share], evidence_for(candidates, every, evidence), [], references=count)
    return {share: judged_recall(ranking.best_of_all.index, count).value for share, ranking in found.items()}


def rank_images(
    into: Path, model: Path, images: Path, about: Sequence[Question], machines: Crew, *, how: AskedAs
) -> Ranking:
    """Embed queries, references and, as decoys, mirrored references by one model, and rank them, in the folder `into`.

    Args:
        images: folder of the stores.
        about: what is true, where that is asked; rows of the references.
    """
    headings = _headings(model, into, images, machines, how)
    ranking = _ranked(into, model, images, about, machines, how, tiles=into, headings=headings)
    if not how.verified:
        return ranking
    count = len(ImageStore(images / "references"))
    candidates = candidates_of(ranking, how.verified, references=count)
    evidence = _evidence(candidates, images, into / "ranked", machines, headings)
    return reranked(ranking, evidence, about, references=count)


def _evidence(
    candidates: Int[np.ndarray, "q v"], images: Path, into: Path, machines: Crew, headings: Path | None
) -> Float[np.ndarray, "q v"]:
    around = None if headings is None else np.load(cached.here(headings))
    bevs, tiles = images / "bev", images / "references"
    return machines.verify(candidates, bevs=bevs, tiles=tiles, folder=into, around_deg=around)


def _headings(model: Path, into: Path, images: Path, machines: Crew, how: AskedAs) -> Path | None:
    """Where the panoramas look, as their bird's-eye views are searched for; None: to the north."""
    if not how.headings_searched:
        return None
    asked, *searched = _jobs(model, into, into, images, how, share=0.0)
    fine: dict[str, Any] = {"verify": how.verified > 0, "turns": NEAREST}
    bevs, tiles = images / "bev", images / "references"
    return find_headings(asked, searched, into, machines, bevs=bevs, tiles=tiles, **fine)


def _ranked(
    into: Path, model: Path, images: Path, about: Sequence[Question], machines: Crew, how: AskedAs, *,
    tiles: Path, share: float | None = None, headings: Path | None = None,
) -> Ranking:  # fmt: skip
    """The ranking by descriptors; those of tiles and decoys lie in the folder `tiles`, or are made there."""
    first, *seen = _jobs(model, into, tiles, images, how, share)
    jobs = [replace(first, heading_deg=headings or 0.0), *seen]
    machines.embed(jobs)
    (into / "ranked").mkdir(exist_ok=True)
    asked, found, decoys = (parts_of(job.folder) for job in jobs)
    k = max(KEPT_PARTNERS, how.verified)
    return machines.rank(asked, found, decoys, about, folder=into / "ranked", k=k)


def _jobs(
    model: Path, into: Path, tiles: Path, images: Path, how: AskedAs, share: float | None
) -> list[EmbedJob]:
    """What describes queries, references and decoys as they are searched by."""
    panorama, bev = Look(images / "queries", "query"), Look(images / "bev", "reference")
    looks = {
        into / "query": (panorama, bev) if how.query == "both" else (panorama,),
        tiles / "reference": (Look(images / "references", "reference"),),
        tiles / "decoy": (Look(images / "references", "reference", mirrored=True),),
    }
    return [EmbedJob(some, model, folder, searched=True, panorama_share=share) for folder, some in looks.items()]


def worn_out(recalls: list[float], patience: int) -> bool:
    """Whether the last `patience` rounds were no better than the best one before them; never for 0."""
    return 0 < patience < len(recalls) and max(recalls[-patience:]) <= max(recalls[:-patience])


def keep(folder: Path, recalls: list[float]) -> Path:
    """Write down which round is kept, the first of the best; its folder."""
    best = recalls.index(max(recalls))
    write_whole(folder / KEPT, json.dumps({"round": best, "judged_recalls": recalls}) + "\n")
    return folder / f"round_{best:02d}"


def rounds_up_to_kept(folder: Path) -> list[Path]:
    """The rounds of a curriculum up to the one whose encoders are kept: all, where nothing was chosen.

    Raises:
        ValueError: what is written down names no round.
    """
    rounds = in_order(path.parent for path in folder.glob("round_*/model.pt"))
    file = folder / KEPT
    if not file.exists():
        return rounds
    kept = json_as(Kept, read_part(file), file).round
    if not 0 <= kept < len(rounds):
        raise ValueError(f"{file} is damaged: there is no round {kept}; {REMAKE}")
    return rounds[: kept + 1]
