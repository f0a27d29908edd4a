"""Whose encoders a run keeps, and when it stops: decided by decoys on the validation images, not by truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from ucvgl.atomic import write_array, write_whole
from ucvgl.distributed.heading_search import at_each_turn, find_headings
from ucvgl.distributed.machines import Crew
from ucvgl.files import cached
from ucvgl.files.parts import in_order, read_part
from ucvgl.files.plain import REMAKE, json_as, load_numbers
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import HALF, load_towers, save_towers
from ucvgl.poses.verifying import NEAREST
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.programs.ranked import Ranking
from ucvgl.programs.reranked import candidates_of, each_once, evidence_for, reranked, turns_of_candidates
from ucvgl.programs.verified import keep_verified
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, Estimate, judged_recall
from ucvgl.retrieval.ranking import Question
from ucvgl.settings.experiment import Experiment, QueryBy

KEPT = "kept.json"
KEPT_PARTNERS = DECOYS_AHEAD + 1
"""Best references, or decoys, of a query that the numbers are made from."""
PANORAMA_SHARES = (0.0, 0.25, HALF, 0.75, 1.0)


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
        headings_searched: whether they begin anywhere: a tile is as similar as at the best of their turns.
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
    truth (`best_share`). Descriptors of tiles are made once.

    Args:
        kept: folder of the encoders; its file stays as it is, as other machines may have it.

    Returns:
        The panorama's share.
    """
    told, seen = folder / "query.json", folder / "weighed"
    if not told.exists():
        recalls = _recalls_by_share(kept / "model.pt", seen, projected / "validation", machines, how)
        best = best_share(recalls)
        write_whole(told, json.dumps({"panorama_share": best, "judged_recalls": recalls}) + "\n")
    cached.remove(seen)  # what is left of it is never read again
    share = json_as(Weighed, read_part(told), told).panorama_share
    towers = load_towers(cached.here(kept / "model.pt"))
    towers.panorama_share = share
    save_towers(towers, folder / "model.pt")
    return share


def best_share(recalls: Mapping[float, float]) -> float:
    """The share with the highest recall, by the parabola nearest to all: single ones differ by chance."""
    shares = [*recalls]
    smooth = np.polyval(np.polyfit(shares, [*recalls.values()], 2), shares)
    return shares[int(smooth.argmax())]


def _recalls_by_share(
    model: Path, into: Path, images: Path, machines: Crew, how: AskedAs
) -> dict[float, float]:
    """What decoys tell of each share. A tile that is a candidate of a query with several is verified once."""
    count, found = len(ImageStore(images / "references")), {}
    headings = _headings(model, into, images, machines, how)
    for share in PANORAMA_SHARES:
        of_share = into / f"panorama_{share:g}"
        of_share.mkdir(parents=True, exist_ok=True)
        asked, *searched = _jobs(model, of_share, into, images, how, share)
        found[share] = _ranked(of_share, [replace(asked, heading_deg=headings or 0.0)], searched, [], machines, how)
    if how.verified:
        tried = [candidates_of(ranking, how.verified, references=count) for ranking in found.values()]
        every = each_once(np.hstack(tried))
        around = None if headings is None else load_numbers(cached.here(headings))
        evidence = _evidence(every, images, into, machines, around)
        for share, candidates in zip(found, tried, strict=True):
            found[share] = reranked(found[share], evidence_for(candidates, every, evidence), [], references=count)
    return {share: judged_recall(ranking.best_of_all.index, count).value for share, ranking in found.items()}


def rank_images(
    into: Path, model: Path, images: Path, about: Sequence[Question], machines: Crew, *, how: AskedAs,
    known: Path | None = None, kept: Path | None = None,
) -> Ranking:  # fmt: skip
    """Embed queries, references and, as decoys, mirrored references by one model, and rank them, in the folder `into`.

    Panoramas that begin anywhere are as similar to a tile as at the best of their turns, as where they are localized;
    their descriptors that stay are those of the turn of their best partner.

    Args:
        images: folder of the stores.
        about: what is true, where that is asked; rows of the references.
        known: folder of what was found when candidates of other models were verified, which most share.
        kept: folder for what is found of these.
    """
    asked, *searched = _jobs(model, into, into, images, how)
    tried, looks = at_each_turn(asked, into / "turns") if how.headings_searched else (np.zeros(1), [asked])
    ranking = _ranked(into, looks, searched, about, machines, how)
    if how.verified:
        count = len(ImageStore(images / "references"))
        candidates = candidates_of(ranking, how.verified, references=count)
        around = tried[turns_of_candidates(ranking, how.verified)] if how.headings_searched else None
        evidence = _evidence(candidates, images, into / "ranked", machines, around, known)
        if kept is not None and around is None:
            keep_verified(candidates, evidence, kept)
        ranking = reranked(ranking, evidence, about, references=count)
    if how.headings_searched:
        _keep_best_turns(looks, ranking.turn_of_all[:, 0], asked.folder)
        cached.remove(into / "turns")
    return ranking


def _keep_best_turns(looks: Sequence[EmbedJob], turn: Int[np.ndarray, " q"], folder: Path) -> None:
    """Write the descriptors of every query at its turn, part by part."""
    start = 0
    for parts in zip(*(parts_of(look.folder) for look in looks), strict=True):
        each = np.stack([load_numbers(cached.here(part)) for part in parts])
        rows = np.arange(each.shape[1])
        write_array(folder / parts[0].name, each[turn[start + rows], rows])
        start += len(rows)


def _evidence(
    candidates: Int[np.ndarray, "q v"],
    images: Path,
    into: Path,
    machines: Crew,
    around: Float[np.ndarray, "q v"] | Float[np.ndarray, " q"] | None,
    known: Path | None = None,
) -> Float[np.ndarray, "q v"]:
    shown: dict[str, Any] = {"bevs": images / "bev", "tiles": images / "references", "folder": into}
    if around is None:
        return machines.verify(candidates, known=known, **shown)
    return machines.verify(candidates, around_deg=around, turns=NEAREST, **shown)


def _headings(model: Path, into: Path, images: Path, machines: Crew, how: AskedAs) -> Path | None:
    """Where the panoramas look, as their bird's-eye views are searched for; None: to the north."""
    if not how.headings_searched:
        return None
    asked, *searched = _jobs(model, into, into, images, how, share=0.0)
    fine: dict[str, Any] = {"verify": how.verified > 0, "turns": NEAREST}
    bevs, tiles = images / "bev", images / "references"
    return find_headings(asked, searched, into, machines, bevs=bevs, tiles=tiles, **fine)


def _ranked(
    into: Path, looks: Sequence[EmbedJob], searched: Sequence[EmbedJob], about: Sequence[Question], machines: Crew,
    how: AskedAs,
) -> Ranking:  # fmt: skip
    """The ranking by descriptors of the queries, at each of their turns, and of tiles and decoys."""
    machines.embed([*looks, *searched])
    (into / "ranked").mkdir(exist_ok=True)
    asked = [part for look in looks for part in parts_of(look.folder)]
    found, decoys = (parts_of(job.folder) for job in searched)
    k = max(KEPT_PARTNERS, how.verified)
    return machines.rank(asked, found, decoys, about, folder=into / "ranked", k=k, turns=len(looks))


def _jobs(
    model: Path, into: Path, tiles: Path, images: Path, how: AskedAs, share: float | None = None
) -> list[EmbedJob]:
    """What describes queries, references and decoys as they are searched by."""
    panorama, bev = Look(images / "queries", "query"), Look(images / "bev", "reference")
    looks = {
        into / "query": (panorama, bev) if how.query == "both" else (panorama,),
        tiles / "reference": (Look(images / "references", "reference"),),
        tiles / "decoy": (Look(images / "references", "reference", mirrored=True),),
    }
    return [EmbedJob(some, model, folder, searched=True, panorama_share=share) for folder, some in looks.items()]


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
