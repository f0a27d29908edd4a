"""Written descriptors, whitened: each view by the spread of its own (`ucvgl.pseudo_labels.whitening`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ucvgl.atomic import write_array
from ucvgl.distributed.embedders import EmbedJob, parts_of
from ucvgl.distributed.stream import Row, Step, stream_missing
from ucvgl.pseudo_labels.whitening import Whitening, whiten_looks, whitening_of_looks

SAMPLE = 20_000
"""Descriptors from which the spread of a view is told: their ids are drawn by chance, so the first of each part will
do."""
AT_ONCE = 4
"""Parts that are whitened at the same time."""


def whiten(jobs: Sequence[EmbedJob], like: EmbedJob, *, shrinkage: float) -> list[Path]:
    """The parts of all jobs, whitened as those of `like` are spread; each beside the folder it comes from."""
    count, turns = len(like.looks), like.turns
    parts = parts_of(like.folder)
    sample = np.concatenate([np.load(part, mmap_mode="r")[: -(-SAMPLE // len(parts))] for part in parts])
    looks = whitening_of_looks(sample, count, turns=turns, shrinkage=shrinkage)
    settings = {"looks": looks, "weights": [look.weight for look in like.looks], "turns": turns}
    work = [(part, _white(job) / part.name) for job in jobs for part in parts_of(job.folder)]

    def rows() -> list[Row]:
        return [{"part": str(part), "into": str(into)} for part, into in work if not into.exists()]

    # in:          part (the file), into (the file to write)
    # whiten_part: the same
    for _ in stream_missing(rows, Step(whiten_part, settings, at_once=AT_ONCE)):
        pass
    return [into for _, into in work]


def whiten_part(row: Row, *, looks: list[Whitening], weights: list[float], turns: int) -> Row:
    """Read a part, whiten it, publish it by rename."""
    write_array(Path(row["into"]), whiten_looks(np.load(row["part"]), looks, weights, turns=turns))
    return row


def _white(job: EmbedJob) -> Path:
    return job.folder.with_name(f"{job.folder.name}_white")
