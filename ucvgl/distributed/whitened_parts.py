"""Written descriptors, whitened: each view by the spread of its own (`ucvgl.pseudo_labels.whitening`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def whiten(jobs: Sequence[EmbedJob], *, shrinkage: float) -> list[Path]:
    """The parts of all jobs, whitened as those of the first are spread; each beside the folder it comes from."""
    settings, work = looks_of(jobs[0], shrinkage=shrinkage), whitened_parts(jobs)

    def rows() -> list[Row]:
        return [{"part": str(part), "into": str(into)} for part, into in work if not into.exists()]

    # in:          part (the file), into (the file to write)
    # whiten_part: the same
    for _ in stream_missing(rows, Step(whiten_part, settings, at_once=AT_ONCE)):
        pass
    return [into for _, into in work]


def whiten_part(row: Row, *, looks: list[Whitening], weights: list[float], turns: int) -> Row:
    """Read a part, whiten it, publish it by rename.

    Args:
        row: `part`, the file, and `into`, the file to write.
        looks: the whitening of each look that the descriptors are made of.
        weights: of each look in the similarity.
        turns: quarter turns that each look is made from.
    """
    write_array(Path(row["into"]), whiten_looks(np.load(row["part"]), looks, weights, turns=turns))
    return row


def looks_of(job: EmbedJob, *, shrinkage: float) -> dict[str, Any]:
    """How `whiten_part` whitens what is spread like the parts of a job."""
    parts = parts_of(job.folder)
    sample = np.concatenate([np.load(part, mmap_mode="r")[: -(-SAMPLE // len(parts))] for part in parts])
    looks = whitening_of_looks(sample, len(job.looks), turns=job.turns, shrinkage=shrinkage)
    return {"looks": looks, "weights": [look.weight for look in job.looks], "turns": job.turns}


def whitened_parts(jobs: Sequence[EmbedJob]) -> list[tuple[Path, Path]]:
    """Every part of the jobs, and where it lies whitened."""
    folders = [(job.folder, job.folder.with_name(f"{job.folder.name}_white")) for job in jobs]
    return [(part, into / part.name) for folder, into in folders for part in parts_of(folder)]
