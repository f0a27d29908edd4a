"""Several runs on one page: what differs in their settings, how they learned, what they reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from markupsafe import Markup

from ucvgl.pages.curves import recall_curves
from ucvgl.pages.page import publish
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall

SEEDS = ("seed", "dataset.synthetic.seed")
SCORES = ("r1", "r5", "r10", "r1pct")


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


@dataclass(frozen=True)
class Spread:
    """Runs that differ in their seeds only: mean and standard error over them, as shares.

    Args:
        names: of the runs.
        scores: of `SCORES`, in that order.
        judged: R@1 as far as decoys tell; None where one of the runs has none.
    """

    names: Sequence[str]
    scores: Sequence[tuple[float, float]]
    judged: tuple[float, float] | None


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
        spreads=spreads(runs),
        curve=Markup(recall_curves(curves)) if curves else None,
        judged=Markup(recall_curves(judged)) if judged else None,
        pools={(run.recall.queries, run.recall.references, run.recall.protocol) for run in runs if run.recall},
    )


def spreads(runs: Sequence[Compared]) -> list[Spread]:
    """Every group of two runs or more, with truth and pools alike, whose settings are the same but for their seeds."""
    groups: dict[object, list[Compared]] = {}
    for run in runs:
        if run.recall:
            same = {name: value for name, value in run.settings.items() if name not in SEEDS}
            pools = run.recall.queries, run.recall.references, run.recall.protocol
            groups.setdefault((repr(sorted(same.items())), pools), []).append(run)
    found = []
    for group in groups.values():
        if len(group) > 1:
            scores = [_spread([getattr(run.recall, name) for run in group]) for name in SCORES]
            judged = _spread([run.judged[-1].value for run in group]) if all(run.judged for run in group) else None
            found.append(Spread([run.name for run in group], scores, judged))
    return found


def _spread(shares: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error."""
    return float(np.mean(shares)), float(np.std(shares, ddof=1)) / len(shares) ** 0.5


def differing(runs: Sequence[Compared]) -> dict[str, list[object]]:
    """Every setting whose value is not the same in all runs -> its value in each; a dash where a run lacks it."""
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    values = {name: [run.settings.get(name, "\N{EN DASH}") for run in runs] for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}
