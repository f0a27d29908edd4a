"""Queries ranked against references and, beside them, decoys: each worker holds shards, and the queries stream past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.programs.matching import Range
from ucvgl.programs.sharing import mine, write_arrays
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.ranking import TILE, Question, answers, rank
from ucvgl.retrieval.vectors import Stored
from ucvgl.training.loop import Log


@dataclass(frozen=True)
class Ranking:
    """The answers about a pool of references.

    Args:
        ranks: for every question, the rank of each true reference, 0 for the first; -1 where there is none.
        best: the best references of every query.
        best_of_all: the same, decoys among them; these are numbered after the references.
        turn: at which of its turns a query is most like each of its best references.
        turn_of_all: the same, decoys among them.
    """

    ranks: list[Int[np.ndarray, "q _"]]
    best: Best
    best_of_all: Best
    turn: Int[np.ndarray, "q k"]
    turn_of_all: Int[np.ndarray, "q k"]


def cut(references: int, decoys: int, *, workers: int, rows: int) -> list[Range]:
    """References, and the decoys after them, cut at whole tiles into shards.

    Args:
        references: how many there are; likewise `decoys`.
        rows: of a shard, about, at most.
    """
    found: list[Range] = []
    for start, stop in ((0, references), (references, references + decoys)):
        each = max(TILE, min(rows, -(-(stop - start) // workers)) // TILE * TILE)
        found += [(low, min(low + each, stop)) for low in range(start, stop, each)]
    return found


def rank_shards(
    cuts: Sequence[Range],
    *,
    folder: Path,
    queries: Stored,
    references: Stored,
    questions: Sequence[Question],
    count: int,
    k: int,
    turns: int,
    device: torch.device,
    log: Log,
) -> None:
    """Write what every shard adds to the answers into `folder`, for `read_ranked`; a shard that is there is kept.

    Args:
        queries: at their first turn, then all at their second, and so on.
        references: and, from number `count` on, decoys, about which nothing is asked.
        turns: of each query.
    """
    for shard in mine(cuts):
        if not cached.exists(path := shard_path(folder, shard)):
            asked = questions if shard[0] < count else []
            threads = torch.get_num_threads()
            found = rank(queries, references, asked, shard, k=k, turns=turns, threads=threads, device=str(device))
            ahead = {f"ahead_{number}": counted for number, counted in enumerate(found.ahead)}
            write_arrays(path, {"score": found.best.score, "index": found.best.index, "turn": found.turn, **ahead})
        log(kept=shard[1] - shard[0])


def read_ranked(
    cuts: Sequence[Range],
    folder: Path,
    questions: Sequence[Question],
    *,
    queries: int,
    count: int,
    k: int,
    turns: int,
) -> Ranking:
    """The answers of all shards together.

    Args:
        cuts: all shards, whoever ranked them.
        queries: how many there are.
        count: of the references without decoys.
        turns: of each query.
    """
    ranks: list[np.ndarray] = [np.zeros(question.true.shape, int) for question in questions]
    best = Best(queries, k), Best(queries, k)
    for shard in cuts:
        with load_numbers(cached.here(shard_path(folder, shard))) as found:
            row, place = np.nonzero(found["index"] >= 0)
            numbered = found["index"][row, place] * turns + found["turn"][row, place]
            for one in best if shard[0] < count else best[1:]:
                one.insert(row, found["score"][row, place], numbered)
            if shard[0] < count:
                for number in range(len(questions)):
                    ranks[number] += found[f"ahead_{number}"]
    told = [one.index % turns for one in best]
    for one in best:
        one.index //= turns
    return Ranking([answers(*both) for both in zip(questions, ranks, strict=True)], *best, *told)


def shard_path(folder: Path, shard: Range) -> Path:
    """Where the answers of a shard go."""
    return folder / f"ranked-{shard[0]:012d}-{shard[1]:012d}.npz"
