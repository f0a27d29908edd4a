"""Several runs on one page: what differs in their settings, how they learned, what they reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from ucvgl.pages.curves import recall_curves
from ucvgl.pages.page import publish
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall


@dataclass(frozen=True)
class Compared:
    """One run.

    Args:
        recall: None where there is no ground truth.
        r1: share after the cold start and after each round; empty without truth.
        labels: pseudo-labels of each round.
        settings: dotted name -> value.
        seconds: of all stages.
        judged: the same as `r1`, as far as decoys tell without truth.
    """

    name: str
    recall: Recall | None
    r1: Sequence[float] = ()
    labels: Sequence[int] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    judged: Sequence[Estimate] = ()


def write_comparison(path: Path | str, runs: Sequence[Compared]) -> Path:
    """Render the comparison; the file appears whole or not at all.

    Raises:
        ValueError: fewer than two runs, or two of the same name.
    """
    names = [run.name for run in runs]
    if len(runs) < 2:
        raise ValueError("a comparison needs two runs or more")
    if len(set(names)) < len(names):
        raise ValueError(f"two of the runs have the same name ({', '.join(names)}); give their folders other names")
    curves = {run.name: run.r1 for run in runs if len(run.r1) > 1}
    judged = {run.name: [estimate.value for estimate in run.judged] for run in runs if len(run.judged) > 1}
    return publish(
        Path(path),
        "comparison.html.j2",
        runs=runs,
        settings=differing(runs),
        curve=Markup(recall_curves(curves)) if curves else None,
        judged=Markup(recall_curves(judged)) if judged else None,
        pools={(run.recall.queries, run.recall.references, run.recall.protocol) for run in runs if run.recall},
    )


def differing(runs: Sequence[Compared]) -> dict[str, list[object]]:
    """Every setting whose value is not the same in all runs -> its value in each; a dash where a run lacks it."""
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    values = {name: [run.settings.get(name, "\N{EN DASH}") for run in runs] for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}
