"""The names that every folder of a stage knows, on the disk and in a bucket."""

from __future__ import annotations

from pathlib import Path

BEGUN, DONE = "BEGUN.json", "DONE.json"
PARTIAL = ".partial"
"""Ends the name of a stage's folder while it works; in a bucket the stage has one place from its beginning on."""
LOCKS = ".locks"
OWNER = ".owner"
"""Says which process makes a run: the folder that has the same as the bucket is that process's own."""
BULK = (".arrow", ".npy", ".npz")
"""Images and descriptors: what may be too much for one machine, and is fetched where it is opened."""
CHECKPOINT = ".checkpoint"
CHANGING = (CHECKPOINT, ".jsonl")
"""Written again and again under one name; no digest of theirs is kept."""


def place_of(path: Path, folder: Path) -> str:
    """The name in the bucket of a file, or folder, in the folder of a run: that of its stage from its beginning on."""
    stage, *rest = path.relative_to(folder).parts
    return "/".join((stage.removesuffix(PARTIAL), *rest))
