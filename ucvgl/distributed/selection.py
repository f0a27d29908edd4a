"""Whose encoders a run keeps, and when it stops: decided by decoys on the validation images, not by truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from ucvgl.atomic import write_whole
from ucvgl.distributed.machines import Crew
from ucvgl.files.parts import in_order, read_part
from ucvgl.images.image_store import ImageStore
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, Estimate, judged_recall

KEPT = "kept.json"


def recall_of_round(into: Path, projected: Path, machines: Crew) -> Estimate:
    """Recall of the encoders in `into` on the validation images as far as decoys tell, without truth; kept there.

    The decoys are the tiles, mirrored.
    """
    file = into / "judged.json"
    if not file.exists():
        images, model, seen = projected / "validation", into / "model.pt", into / "seen"
        looks = {
            "queries": Look(images / "queries", "query"),
            "references": Look(images / "references", "reference"),
            "decoys": Look(images / "references", "reference", mirrored=True),
        }
        jobs = [EmbedJob((look,), model, seen / name) for name, look in looks.items()]
        machines.embed(jobs)
        asked, tiles, decoys = (parts_of(job.folder) for job in jobs)
        best = machines.rank(asked, tiles, decoys, [], folder=seen, k=DECOYS_AHEAD + 1)
        judged = judged_recall(best.best_of_all.index, len(ImageStore(images / "references")))
        write_whole(file, json.dumps(asdict(judged)))
        shutil.rmtree(seen)
    return Estimate(**json.loads(file.read_text()))


def worn_out(recalls: list[float], patience: int) -> bool:
    """Whether the last `patience` rounds were no better than the best one before them; never for 0."""
    return 0 < patience < len(recalls) and max(recalls[-patience:]) <= max(recalls[:-patience])


def keep(folder: Path, recalls: list[float]) -> Path:
    """Write down which round is kept, the first of the best; its folder."""
    best = recalls.index(max(recalls))
    write_whole(folder / KEPT, json.dumps({"round": best, "judged_recalls": recalls}) + "\n")
    return folder / f"round_{best:02d}"


def rounds_up_to_kept(folder: Path) -> list[Path]:
    """The rounds of a curriculum up to the one whose encoders are kept: all, where nothing was chosen."""
    rounds = in_order(path.parent for path in folder.glob("round_*/model.pt"))
    file = folder / KEPT
    return rounds[: json.loads(read_part(file))["round"] + 1] if file.exists() else rounds
