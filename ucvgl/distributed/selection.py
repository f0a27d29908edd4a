"""Whose encoders a run keeps, and when it stops: decided by decoys on the validation images, not by truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ucvgl.atomic import write_whole
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.parts import in_order, read_part
from ucvgl.files.plain import REMAKE, json_as
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import HALF, load_towers, save_towers
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.programs.ranked import Ranking
from ucvgl.programs.reranked import candidates_of, each_once, evidence_for, reranked
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, Estimate, judged_recall
from ucvgl.retrieval.ranking import Question
from ucvgl.settings.experiment import QueryBy

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


def recall_of_round(
    into: Path, projected: Path, machines: Crew, *, query: QueryBy = "panorama", verified: int = 0
) -> Estimate:
    """Recall of the encoders in `into` on the validation images as far as decoys tell, without truth; kept there.

    The decoys are the tiles, mirrored.

    Args:
        query: what queries are described by.
        verified: first candidates of a query that are verified over poses.
    """
    file = into / "judged.json"
    if not file.exists():
        images, seen = projected / "validation", into / "seen"
        ranking = rank_images(seen, into / "model.pt", images, [], machines, query=query, verified=verified)
        judged = judged_recall(ranking.best_of_all.index, len(ImageStore(images / "references")))
        write_whole(file, json.dumps(asdict(judged)))
        cached.remove(seen)
    return json_as(Estimate, file.read_bytes(), file)


def weigh_query(kept: Path, folder: Path, projected: Path, machines: Crew, *, verified: int = 0) -> float:
    """Write `folder/model.pt`, the encoders in `kept` told what panorama and bird's-eye view weigh in a query.

    Of `PANORAMA_SHARES` that one is taken with which most validation images are found as far as decoys tell, without
    truth, if these are more by `LEAST_GAIN` than with halves. Descriptors of tiles are made once.

    Args:
        kept: folder of the encoders; its file stays as it is, as other machines may have it.
        verified: first candidates of a query that are verified over poses.

    Returns:
        The panorama's share.
    """
    told, seen = folder / "query.json", folder / "weighed"
    if not told.exists():
        recalls = _recalls_by_share(kept / "model.pt", seen, projected / "validation", machines, verified)
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
    model: Path, into: Path, images: Path, machines: Crew, verified: int
) -> dict[float, float]:
    """What decoys tell of each share. A tile that is a candidate of a query with several is verified once."""
    count, found = len(ImageStore(images / "references")), {}
    for share in PANORAMA_SHARES:
        of_share = into / f"panorama_{share:g}"
        of_share.mkdir(parents=True, exist_ok=True)
        how: dict[str, Any] = {"query": "both", "k": max(KEPT_PARTNERS, verified), "tiles": into}
        found[share] = _ranked(of_share, model, images, [], machines, share=share, **how)
    if verified:
        tried = [candidates_of(ranking, verified, references=count) for ranking in found.values()]
        every = each_once(np.hstack(tried))
        evidence = machines.verify(every, bevs=images / "bev", tiles=images / "references", folder=into)
        for share, candidates in zip(found, tried, strict=True):
            found[share] = reranked(found[share], evidence_for(candidates, every, evidence), [], references=count)
    return {share: judged_recall(ranking.best_of_all.index, count).value for share, ranking in found.items()}


def rank_images(
    into: Path,
    model: Path,
    images: Path,
    about: Sequence[Question],
    machines: Crew,
    *,
    query: QueryBy = "panorama",
    verified: int = 0,
) -> Ranking:
    """Embed queries, references and, as decoys, mirrored references by one model, and rank them, in the folder `into`.

    Args:
        images: folder of the stores.
        about: what is true, where that is asked; rows of the references.
        query: what queries are described by.
        verified: first candidates of a query that are verified over poses.
    """
    ranking = _ranked(into, model, images, about, machines, query=query, k=max(KEPT_PARTNERS, verified), tiles=into)
    if not verified:
        return ranking
    count = len(ImageStore(images / "references"))
    ground = {"bevs": images / "bev", "tiles": images / "references", "folder": into / "ranked"}
    evidence = machines.verify(candidates_of(ranking, verified, references=count), **ground)
    return reranked(ranking, evidence, about, references=count)


def _ranked(
    into: Path, model: Path, images: Path, about: Sequence[Question], machines: Crew, *, query: QueryBy, k: int,
    tiles: Path, share: float | None = None,
) -> Ranking:  # fmt: skip
    """The ranking by descriptors; those of tiles and decoys lie in the folder `tiles`, or are made there."""
    panorama, bev = Look(images / "queries", "query"), Look(images / "bev", "reference")
    looks = {
        into / "query": (panorama, bev) if query == "both" else (panorama,),
        tiles / "reference": (Look(images / "references", "reference"),),
        tiles / "decoy": (Look(images / "references", "reference", mirrored=True),),
    }
    jobs = [EmbedJob(some, model, folder, searched=True, panorama_share=share) for folder, some in looks.items()]
    machines.embed(jobs)
    (into / "ranked").mkdir(exist_ok=True)
    asked, found, decoys = (parts_of(job.folder) for job in jobs)
    return machines.rank(asked, found, decoys, about, folder=into / "ranked", k=k)


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
