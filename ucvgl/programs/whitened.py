"""Written descriptors, whitened: each view by the spread of its own (`ucvgl.pseudo_labels.whitening`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ucvgl.atomic import write_array
from ucvgl.files import cached
from ucvgl.poses.structure import SHRINKAGE
from ucvgl.programs.embedding import EmbedJob, parts_of
from ucvgl.programs.sharing import mine, read_ahead
from ucvgl.pseudo_labels.whitening import whiten_looks, whitening_of_looks
from ucvgl.training.loop import Log

SAMPLE = 20_000
"""Descriptors from which the spread of a view is told: their ids are drawn by chance, so the first of each part will
do."""


def whiten_parts(jobs: Sequence[EmbedJob], *, shrinkage: float, device: torch.device, log: Log) -> None:
    """Write the parts of all jobs anew, whitened as those of the first are spread; a part that exists is kept.

    Args:
        shrinkage: of what encoders made, see `ucvgl.pseudo_labels.whitening`; structure has its own.
    """
    both = mine(whitened_parts(jobs))
    wanted = set(cached.missing([into for _, into in both]))
    left = [(part, into) for part, into in both if into in wanted]
    if not left:
        return
    first, parts = jobs[0], parts_of(jobs[0].folder)
    sample = np.concatenate([_passing(part)[: -(-SAMPLE // len(parts))] for part in parts])
    columns = first.columns(sample.shape[1])
    ground = [look.view == "structure" for look in first.looks]
    shrunk = [SHRINKAGE if one else shrinkage for one in ground]
    gaps = [one or look.gaps for one, look in zip(ground, first.looks, strict=True)]
    looks = whitening_of_looks(sample, columns, shrinkage=shrunk, gaps=gaps)
    weights = [look.weight for look in first.looks]
    for (_, into), vectors in read_ahead(lambda one: np.array(_passing(one[0])), left):
        write_array(into, whiten_looks(vectors, looks, columns, weights))
        log(kept=len(vectors))


def _passing(part: Path) -> np.ndarray:
    """A part as it is mapped, which makes room for the next in a cache that does not hold all of them."""
    vectors = cached.opened(part, lambda path: np.load(path, mmap_mode="r"))
    cached.done_with(part)
    return vectors


def whitened_parts(jobs: Sequence[EmbedJob]) -> list[tuple[Path, Path]]:
    """Every part of the jobs, and where it lies whitened."""
    folders = [(job.folder, job.folder.with_name(f"{job.folder.name}_white")) for job in jobs]
    return [(part, into / part.name) for folder, into in folders for part in parts_of(folder)]
