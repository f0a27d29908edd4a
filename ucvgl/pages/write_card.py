"""The model card of a run, beside its report and with the same numbers."""

from __future__ import annotations

import logging
from pathlib import Path

from ucvgl.atomic import write_whole
from ucvgl.files.seal import markdown_fits, sealed_markdown
from ucvgl.pages.model_card import Card, code, markdown
from ucvgl.pages.page import Report
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.experiment import Experiment

log = logging.getLogger(__name__)

CARD = "MODEL_CARD.md"
EM_CVGL = "EM-CVGL, an adapter on a frozen model; Li, Xu, Yang, Yu and Xia, 2024"
SAMPLE4GEO = "the recipe of Sample4Geo; Deuser, Habel and Oswald, ICCV 2023"


def write_card(run: Path, experiment: Experiment, page: Report) -> Path:
    """Write `MODEL_CARD.md` into the run folder; one that a person has changed since it was written is kept."""
    listed = read_record(run / "1_catalog" / DONE)
    dataset = experiment.dataset
    rendered, adapted = dataset.rendered, (run / "4_adapt").exists()
    world = f"The embedded world, level {dataset.synthetic.level}, seed {dataset.synthetic.seed}: rendered images"
    made = {"5_supervised": SAMPLE4GEO, "4_adapt": EM_CVGL}
    method = next((words for stage, words in made.items() if (run / stage).exists()), Card.method)
    last = page.rounds[-1] if page.rounds else None
    card = Card(
        name=run.name,
        data=world if rendered else f"Data set `{dataset.name}`, folder {code(dataset.root)}",
        counts={name: count for name, count in listed.summary.items() if name != "root"} if listed else {},
        model=(_frozen if adapted else _towers)(experiment)
        | {
            "panorama, pixels": f"{dataset.panorama_height} x {dataset.panorama_width}",
            "tile, pixels": f"{dataset.tile_size} x {dataset.tile_size}",
        },
        recall=page.recall,
        raw_pixels=page.raw_pixels,
        begun=page.begun,
        begun_r1=page.begun_r1,
        method=method,
        labels_used=page.labels_used,
        labels=(last.labels, last.queries, last.precision) if last and last.queries else None,
        settings=page.settings,
        versions=page.versions,
        synthetic=rendered,
        judged=last.judged if last else None,
    )
    path = run / CARD
    if path.exists() and not markdown_fits(path.read_text(encoding="utf-8", errors="replace")):
        log.warning("%s was changed since it was written, and is kept; move it away to have it written anew", path)
    else:
        write_whole(path, sealed_markdown(markdown(card)))
    return path


def _towers(experiment: Experiment) -> dict[str, object]:
    model = experiment.model
    told = {"safa": f"SAFA, {model.safa_heads} heads", "map": "a map of the ground, cell by cell", "mean": "mean"}
    return {
        "backbone": model.backbone,
        "aggregation": told[model.aggregation],
        "shared by both views": "yes" if model.shared else "no",
    }


def _frozen(experiment: Experiment) -> dict[str, object]:
    settings = experiment.adaptation
    one = "one network sees tiles, and panoramas from above"
    return {
        "frozen network": settings.source or experiment.model.backbone,
        "networks": one if settings.towers == "one" else "one per view",
        "turns of the camera": settings.turns,
    }
