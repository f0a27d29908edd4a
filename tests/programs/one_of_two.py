"""What one worker of two does: it matches its shards of the parts in `folder/{q,r}`."""

from __future__ import annotations

from pathlib import Path

import torch

from ucvgl.programs.matching import match_shards, shards
from ucvgl.retrieval.vectors import Stored


def match_own_shards(folder: Path) -> None:
    queries, references = (Stored.of(sorted((folder / side).glob("*.npy"))) for side in ("q", "r"))
    cuts = shards(references.span[1], workers=2, rows=700)
    sides = {"queries": queries, "references": references}
    match_shards(cuts, folder=folder, k=3, device=torch.device("cpu"), log=lambda **_: None, **sides)
