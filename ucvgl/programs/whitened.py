"""Written descriptors, whitened: each view by the spread of its own (`ucvgl.pseudo_labels.whitening`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ucvgl.atomic import write_array
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.poses.structure import SHRINKAGE
from ucvgl.programs.embedding import EmbedJob, parts_of
from ucvgl.programs.sharing import mine, read_ahead
from ucvgl.pseudo_labels.whitening import Whitening, unit, whiten_looks, whitening
from ucvgl.training.loop import Log

SAMPLE = 20_000
"""Descriptors from which the spread of a view is told: their ids are drawn by chance, so the first of each part will
do."""


def find_whitenings(
    sides: Sequence[Sequence[EmbedJob]], *, shrinkage: float, device: torch.device, log: Log
) -> None:
    """Write the whitening of every look of every side, for `whiten_parts`; each by one worker, as it takes long where
    descriptors are wide, and all parts are to be whitened by the same numbers. One that is there is kept.

    Args:
        sides: jobs that are whitened alike, as the first of them is spread.
        shrinkage: of what encoders made, see `ucvgl.pseudo_labels.whitening`; structure has its own.
        device: that finds them: on a processor they take minutes where descriptors are wide.
    """
    own = mine([(side[0], look) for side in sides for look in _different(side[0])])
    left = [(job, look) for job, look in own if not cached.exists(_look_path(job, look))]
    for job in dict.fromkeys(job for job, _ in left):
        parts = parts_of(job.folder)
        sample = np.concatenate([_passing(part)[: -(-SAMPLE // len(parts))] for part in parts])
        columns = job.columns(sample.shape[1])
        for look in [look for asked, look in left if asked == job]:
            shrunk = SHRINKAGE if job.looks[look].view == "structure" else shrinkage
            turns = np.concatenate([unit(sample[:, at]) for at in columns[look]])
            found = whitening(turns, shrinkage=shrunk, gaps=_gaps(job, look), device=device)
            write_array(_look_path(job, look), np.vstack((found.mean, found.matrix)))


def whiten_parts(sides: Sequence[Sequence[EmbedJob]], *, device: torch.device, log: Log) -> None:
    """Write the parts of all jobs anew, each side by the whitenings of its first job; a part that exists is kept."""
    for jobs in sides:
        both = mine(whitened_parts(jobs))
        wanted = set(cached.missing([into for _, into in both]))
        left = [(part, into) for part, into in both if into in wanted]
        if not left:
            continue
        first = jobs[0]
        looks = [_found(first, _first_like(first, look)) for look in range(len(first.looks))]
        weights = [look.weight for look in first.looks]
        for (_, into), vectors in read_ahead(lambda one: np.array(_passing(one[0])), left):
            write_array(into, whiten_looks(vectors, looks, first.columns(vectors.shape[1]), weights))
            log(kept=len(vectors))


def _different(job: EmbedJob) -> list[int]:
    """The numbers of its looks, without those that show what an earlier one does."""
    return [look for look in range(len(job.looks)) if _first_like(job, look) == look]


def _first_like(job: EmbedJob, look: int) -> int:
    """The number of the first look that differs from this one in nothing but its weight."""
    alike = [replace(one, weight=1.0) for one in job.looks]
    return alike.index(alike[look])


def _gaps(job: EmbedJob, look: int) -> bool:
    return job.looks[look].view == "structure" or job.looks[look].gaps


def _found(job: EmbedJob, look: int) -> Whitening:
    mean, *matrix = load_numbers(cached.here(_look_path(job, look)), mmap_mode="r")
    return Whitening(np.array(mean), np.array(matrix), _gaps(job, look))


def _look_path(job: EmbedJob, look: int) -> Path:
    kept = job.structure_of(job.looks[look])
    return _whitened(job.folder) / f"look-{look}.npy" if kept is None else kept / "whitening.npy"


def _passing(part: Path) -> np.ndarray:
    """A part as it is mapped, which makes room for the next in a cache that does not hold all of them."""
    vectors = cached.opened(part, lambda path: load_numbers(path, mmap_mode="r"))
    cached.done_with(part)
    return vectors


def whitened_parts(jobs: Sequence[EmbedJob]) -> list[tuple[Path, Path]]:
    """Every part of the jobs, and where it lies whitened."""
    return [(part, _whitened(job.folder) / part.name) for job in jobs for part in parts_of(job.folder)]


def _whitened(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}_white")
