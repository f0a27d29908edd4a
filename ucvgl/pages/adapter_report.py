"""An adaptation as one page, and the lines a job ends with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.pages.descriptor_kinds import DescriptorKind, kinds_of, result_of
from ucvgl.pages.labels_used import labels_used
from ucvgl.pages.page import Report, Round, write_page
from ucvgl.pages.right_and_wrong import retrievals, true_places
from ucvgl.pages.run_report import of_the_run, source_of
from ucvgl.pages.write_card import write_card
from ucvgl.run import columns
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.evaluate_adapter import read_ways


def report_adapter(run: RunDir, experiment: Experiment, projected: Path, scored: Path) -> str:
    """Write `report.html` and `MODEL_CARD.md` into the run folder; what the adapter reached and cost, as lines.

    Args:
        projected: folder of `2_project`.
        scored: folder of `5_evaluate`.
    """
    ways, frozen = read_ways(scored), experiment.adaptation.source or experiment.model.backbone
    used = labels_used(run.path)
    what = f"A light adapter on a frozen model, {frozen} (EM-CVGL), on {source_of(experiment)}"
    before, after = (list(ways.get(when, {}).items()) for when in ("before", "after"))
    table = read_table(scored / "rounds.parquet", columns.ADAPTER_ROUNDS).to_pylist()
    queries, kinds = len(ImageStore(projected / "train" / "queries")), kinds_of(table)
    content = Report(
        about=f"{what}: {used or 'no labels'}.",
        labels_used=used,
        recall=after[0][1] if after else None,
        begun="frozen model",
        begun_r1=table[0]["forth_r1"],
        ways=[(name, reached, found) for (name, reached), (_, found) in zip(before, after, strict=True)],
        kinds=kinds,
        rounds=_rounds(table, queries),
        retrievals=retrievals(projected / "validation", scored, experiment),
        true_places=true_places(scored),
        **of_the_run(run, experiment, projected),
        command="python jobs/adapt.py",
    )
    page = write_page(run.path / "report.html", content)
    write_card(run.path, experiment, content)
    return "\n".join([f"report: {page}", *([f"labels: {used}"] if used else []), *_outcome(run, scored, table, kinds)])


def _rounds(table: list[dict], queries: int) -> list[Round]:
    """What was trained, round by round; the other rows have no labels."""
    return [
        Round(
            row["labels"], queries, 0.0, np.empty(0),
            precision=row["precision"], r1=row["forth_r1"], labelled=row["labelled"],
        )
        for row in table
        if row["labels"] is not None
    ]  # fmt: skip


def _outcome(run: RunDir, scored: Path, table: list[dict], kinds: Sequence[DescriptorKind]) -> list[str]:
    found, made = read_ways(scored), run.summary("4_adapt")
    agreed = [f"{100 * row['agreement']:.1f} %" for row in (table[0], result_of(table))]
    lines = [f"without truth: {agreed[1]} of the queries and their best references agree (frozen: {agreed[0]})"]
    share = made["trained"] / (made["trained"] + run.summary("3_features")["frozen"])
    lines.append(f"trained {made['trained'] / 1e6:.2f} million numbers, {100 * share:.1f} % of all")
    if not found:
        lines.append("no ground truth, so no recall")
    name, judged = next((kind.name, None not in kind.judged) for kind in kinds if kind.chosen)
    lines += [str(kind) for kind in kinds]
    lines.append(f"result: {name}, {'as no other is surely better by the judge' if judged else 'as the settings say'}")
    for when, names in (("before", "frozen"), ("after", name)):
        lines += [f"{names}, {way}: {reached}" for way, reached in found.get(when, {}).items()]
    return lines
