"""The runs that the encoders of a run come from: what these were shown and told is a part of what it knows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt64

from ucvgl.images.image_store import ImageStore
from ucvgl.images.same_files import same_contents
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.dotted import saved_settings
from ucvgl.settings.experiment import Experiment

DEPTH = 3
"""Folders between a run and the encoders of one of its rounds, and their file."""


class Before(NamedTuple):
    """Runs, the latest first, and whether these are all: of encoders that lie in no run nobody knows."""

    runs: tuple[Path, ...]
    all_known: bool


def source_of(run: Path, experiment: Experiment) -> str:
    """Where the encoders of a run come from, a run or a file; empty: they began with random weights."""
    adapted = any((run / f"3_features{ending}").is_dir() for ending in ("", ".partial"))
    return experiment.adaptation.source if adapted else experiment.supervision.start


def runs_before(source: str) -> Before:
    """The run that a source of encoders lies in, the one that this began with, and so on."""
    found: list[Path] = []
    while source:
        above = [Path(source), *Path(source).parents][: DEPTH + 1]
        run = next((folder for folder in above if _is_run(folder)), None)
        if run is None:
            return Before(tuple(found), all_known=False)
        if run in found:
            break
        found.append(run)
        try:
            source = source_of(run, saved_settings(run / "config.yaml"))
        except ValueError:  # changed, or of another version: what it was made from nobody knows
            return Before(tuple(found), all_known=False)
    return Before(tuple(found), all_known=True)


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file() and any(folder.glob("[0-9]_*"))


def labels_seen(source: str) -> int | None:
    """How many queries came with their true tile in the runs that encoders come from; None: nobody knows."""
    runs, all_known = runs_before(source)
    told = [record for run in runs if (record := read_record(run / "2_labels" / DONE))]
    return sum(record.summary["labelled_queries"] for record in told) or (0 if all_known else None)


def seen_before(
    contents: UInt64[np.ndarray, " n"], source: str, pile: str = "queries"
) -> tuple[Bool[np.ndarray, " n"], bool]:
    """Which images were trained on in the runs that encoders come from, and whether that is known of all these runs.

    Args:
        contents: digests of the images' files, as equal names mean nothing below another root.
        pile: in which they would have been, `queries` or `references`.
    """
    runs, known = runs_before(source)
    seen = np.zeros(len(contents), bool)
    for run in runs:
        shown = run / "2_project" / "train" / pile
        known &= shown.is_dir()
        seen |= same_contents(contents, ImageStore(shown).contents) if shown.is_dir() else False
    return seen, known
