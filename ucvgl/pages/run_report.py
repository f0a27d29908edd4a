"""The run as one page, drawn from what the stages left behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ucvgl.files.plain import json_object
from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import View
from ucvgl.pages.labels_used import labels_used
from ucvgl.pages.page import Report, Round, Translated, write_page
from ucvgl.pages.right_and_wrong import attended, retrievals, true_places
from ucvgl.pages.write_card import write_card
from ucvgl.pseudo_labels.decoys import Estimate, percent
from ucvgl.retrieval.recall import Recall
from ucvgl.run import columns
from ucvgl.run.metrics import read_metrics
from ucvgl.run.record import DONE, read_record
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.dotted import differences
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import synthetic
from ucvgl.stages.evaluate import read_recall, read_rounds
from ucvgl.training.augment import Draws
from ucvgl.training.fit_towers import augment, turned_together
from ucvgl.training.pairs import fake_store
from ucvgl.training.round_labels import read_labels

SHEET = 8
"""Rows of the contact sheet."""
GROUPS = {"round": "curriculum", "adapt": "adaptation"}
"""Trainings that are numbered, and what they are called together."""
LOSSES = {
    "above": "bird's-eye view of a label with its tile",
    "label": "panorama of a label with the others",
    "fake": "panorama with its own view from above",
    "known": "true pairs",
    "intra_panorama": "panorama with itself",
    "intra_tile": "tile with itself",
    "intra_fake": "view from above with itself",
    "part": "tile with a part of it",
}
"""What is contrasted, by the name of the loss."""


def report(
    run: RunDir, experiment: Experiment, projected: Path, translated: Path | None, trained: Path, scored: Path
) -> str:
    """Write `report.html` and `MODEL_CARD.md` into the run folder; the recall, as one line.

    Args:
        translated: None where nothing was, as true pairs alone were trained on.
    """
    reached, raw = read_recall(scored)
    fakes, used = translated and fake_store(projected, translated, experiment), labels_used(run.path)
    scores = read_rounds(scored, reached)
    content = Report(
        about=f"{_how(translated, used)} on {source_of(experiment)}: {used or 'no labels'}.",
        labels_used=used,
        recall=reached,
        raw_pixels=raw,
        begun="the start" if experiment.supervision.start else "cold start",
        begun_r1=scores[0]["r1"],
        begun_judged=judged(scores[0]),
        rounds=learned(trained, scores[1:]),
        labels_judged=experiment.curriculum.labels == "judged",
        painted=experiment.translation.fake,
        translated=_translated(projected, fakes) if fakes else [],
        first_batch=_first_batch(projected, fakes, experiment) if fakes else [],
        heading_known=experiment.contrast.heading == "known",
        retrievals=retrievals(projected / "validation", scored, experiment),
        true_places=true_places(scored),
        attention=attended(projected / "validation", trained, scored),
        **of_the_run(run, experiment, projected),
        command=f"python jobs/{_job(translated, used)}.py",
    )
    page = write_page(run.path / "report.html", content)
    write_card(run.path, experiment, content)
    labels = [f"labels: {used}"] if used else []
    begun = "begun with" if experiment.supervision.start else "cold start"
    return "\n".join([f"report: {page}", *labels, *_verdict(reached, raw, scores, begun)])


def of_the_run(run: RunDir, experiment: Experiment, projected: Path) -> dict[str, Any]:
    """What the page of any job tells of its run."""
    rejected = read_table(projected / "rejected.parquet", columns.REJECTED).to_pylist()
    return {
        "title": run.path.name,
        "losses": losses_of(run.path),
        "settings": {name: (before, now) for name, before, now in differences(synthetic(), experiment)},
        "versions": json_object((run.path / "environment.json").read_text(), run.path / "environment.json"),
        "seconds": _seconds(run.path),
        "rejected": [(bad["uri"], bad["reason"]) for bad in rejected[:20]],
        "rejected_count": len(rejected),
        "images": sum(len(ImageStore(store)) for store in projected.glob("*/[qr]*") if store.is_dir()),
    }


def _job(translated: Path | None, used: str) -> str:
    return "supervised" if translated is None else "semi_supervised" if used else "unsupervised"


def _how(translated: Path | None, used: str) -> str:
    return {
        "supervised": "Supervised cross-view geo-localization (the recipe of Sample4Geo)",
        "semi_supervised": "Semi-supervised cross-view geo-localization (UCVGL)",
        "unsupervised": "Unsupervised cross-view geo-localization (UCVGL)",
    }[_job(translated, used)]


def _verdict(reached: Recall | None, raw: Mapping[str, float], scores: list[dict], begun: str) -> list[str]:
    """What the result is to be measured by, and the result."""
    told = [percent(found) if (found := judged(row)) else "not evaluated" for row in (scores[0], scores[-1])]
    believed = f"without truth, as far as decoys tell: R@1 {told[1]} ({begun}: {told[0]})"
    if reached is None:
        return [f"no ground truth, so no recall; the retrievals are in the report; {believed}"]
    best = max(raw, key=lambda name: raw[name]) if raw else ""
    return [
        f"raw pixels, without learning: R@1 {100 * raw[best]:.1f} ({best.replace('_', ', ')})"
        if raw
        else "raw pixels, without learning: not compared in so large a pool",
        believed,
        f"{begun}: R@1 {100 * scores[0]['r1']:.1f}",
        str(reached),
    ]


def judged(row: Mapping[str, Any]) -> Estimate | None:
    """What a row of `rounds.parquet` says of its encoders without truth; None where they were not evaluated."""
    return None if row["judged"] is None else Estimate(row["judged"], row["judged_low"], row["judged_high"])


def source_of(experiment: Experiment) -> str:
    """Which images a run was trained on, in words."""
    dataset = experiment.dataset
    return f"the synthetic world, level {dataset.synthetic.level}" if dataset.rendered else dataset.root


def learned(trained: Path, scores: list[dict]) -> list[Round]:
    """The rounds, each with the labels that it was trained on: its own, or those before, if it made none.

    Raises:
        ValueError: the first has none.
    """
    rounds, table = [], None
    if not any(trained.glob("round_*/pairs.parquet")):  # true pairs alone
        return [Round(0, 0, 0.0, np.empty(0), r1=score["r1"], judged=judged(score)) for score in scores]
    for score in scores:
        labelled = trained / score["name"] / "pairs.parquet"
        if labelled.exists():
            table = read_labels(labelled)
        if table is None:
            raise ValueError(f"{trained} has no labels of {score['name']}, which was evaluated; copy the run again")
        labels, margins = np.array(table["label"]), np.array(table["margin"])
        least = float(margins[labels].min(initial=margins[np.isfinite(margins)].max(initial=0.0)))
        found = {name: score[name] for name in ("precision", "judged_precision", "r1")}
        rounds.append(Round(int(labels.sum()), len(labels), least, margins, **found, judged=judged(score)))
    return rounds


def _translated(projected: Path, fakes: Path) -> list[Translated]:
    """Some training panoramas with their fakes, beside tiles of the pool that are any but their own by design."""
    train = projected / "train"
    stores = [ImageStore(store) for store in (train / "queries", train / "bev", fakes, train / "references")]
    rows = np.linspace(0, len(stores[0]) - 1, SHEET).astype(int)
    columns = [store.read(rows % len(store)) for store in stores]
    return [Translated(*images) for images in zip(*columns, strict=True)]


def _first_batch(projected: Path, fakes: Path, experiment: Experiment) -> list[tuple[np.ndarray, np.ndarray]]:
    """A batch of (panorama, fake) as the augmentation hands it to the encoders."""
    draws = Draws((experiment.seed, 0), SHEET, slice(0, SHEET))
    quarters, flip = turned_together(draws, experiment.contrast)
    sides = []
    stores: list[tuple[Path, View]] = [(projected / "train" / "queries", "query"), (fakes, "reference")]
    for store, view in stores:
        images = torch.from_numpy(ImageStore(store).read(range(SHEET))).permute(0, 3, 1, 2).float() / 255
        images = augment(images, view, draws, quarters, flip, experiment.contrast).clamp(0, 1)
        sides.append((images.permute(0, 2, 3, 1) * 255).byte().numpy())
    return list(zip(*sides, strict=True))


def losses_of(run: Path) -> Mapping[str, tuple[list[float], list[float]]]:
    """Every logged loss of every training, over its steps; rounds follow each other."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    offset: dict[str, float] = {}
    for row in read_metrics(run):
        stage = str(row.get("stage", ""))
        group = GROUPS.get(stage.rpartition("_")[0], stage)
        for name, value in row.items():
            if not name.endswith("_loss") or value is None:
                continue
            loss = name.removesuffix("_loss")
            steps, values = curves.setdefault(f"{group}: {LOSSES.get(loss, loss)}", ([], []))
            step = row["step"] + offset.get(group, 0.0)
            steps.append(step)
            values.append(value)
        if group in GROUPS.values() and row.get("step") == row.get("steps"):
            offset[group] = offset.get(group, 0.0) + row.get("steps", 0)
    return curves


def _seconds(run: Path) -> dict[str, float]:
    records = {done.parent.name: read_record(done) for done in sorted(run.glob(f"[0-9]_*/{DONE}"))}
    return {name: record.seconds for name, record in records.items() if record is not None}
