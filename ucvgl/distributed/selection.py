"""Whose encoders a run keeps, and when it stops: decided by agreement on the validation images, not by truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ucvgl.atomic import write_whole
from ucvgl.distributed.embedders import EmbedJob, Look, parts_of
from ucvgl.distributed.machines import Machines
from ucvgl.files.parts import in_order, read_part
from ucvgl.pseudo_labels.mutual_matching import agreement, matches

KEPT = "kept.json"


def round_agreement(into: Path, projected: Path, machines: Machines) -> float:
    """Share of the validation queries that agree with their best reference under the encoders in `into`; kept there."""
    file = into / "agreement.json"
    if not file.exists():
        images = projected / "validation"
        looks = Look(images / "queries", "query"), Look(images / "references", "reference")
        jobs = [EmbedJob((look,), into / "model.pt", into / "seen" / look.view) for look in looks]
        machines.embedder.embed(jobs)
        found = matches(machines.searcher.match(*(parts_of(job.folder) for job in jobs), k=2))
        write_whole(file, json.dumps(agreement(found)))
        shutil.rmtree(into / "seen")
    return json.loads(file.read_text())


def worn_out(agreements: list[float], patience: int) -> bool:
    """Whether the last `patience` rounds were no better than the best one before them; never for 0."""
    return 0 < patience < len(agreements) and max(agreements[-patience:]) <= max(agreements[:-patience])


def keep(folder: Path, agreements: list[float]) -> Path:
    """Write down which round is kept, the first of the best; its folder."""
    best = agreements.index(max(agreements))
    write_whole(folder / KEPT, json.dumps({"round": best, "agreements": agreements}) + "\n")
    return folder / f"round_{best:02d}"


def rounds_up_to_kept(folder: Path) -> list[Path]:
    """The rounds of a curriculum up to the one whose encoders are kept: all, where nothing was chosen."""
    rounds = in_order(path.parent for path in folder.glob("round_*/model.pt"))
    file = folder / KEPT
    return rounds[: json.loads(read_part(file))["round"] + 1] if file.exists() else rounds
