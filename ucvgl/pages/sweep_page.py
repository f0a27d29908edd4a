"""A sweep as a table for the terminal and one self-contained page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from ucvgl.pages.curves import ACCENT, FAINT, MUTED, new_figure, to_svg
from ucvgl.pages.page import percent, publish


@dataclass(frozen=True)
class Row:
    """One trial.

    Args:
        judged: R@1 on validation as far as decoys tell; of a trial that was stopped, its share of right labels; NaN
            where it failed before.
        r1: R@1 on validation, where the truth is known; it chose nothing.
        interval: the bounds of `judged`, of a finished trial.
    """

    number: int
    changes: Mapping[str, Any]
    judged: float
    rounds: int
    finished: bool
    error: str
    r1: float | None
    interval: tuple[float, float] | None = None

    @property
    def said(self) -> str:
        """What is judged, in percent, and its bounds."""
        bounds = " to ".join(map(percent, self.interval)) if self.interval else ""
        return percent(self.judged) + (f" ({bounds})" if bounds else "")

    @property
    def how(self) -> str:
        """How the trial ended, in words."""
        return self.error or ("done" if self.finished else f"stopped after round {self.rounds}")


def table(rows: Sequence[Row], best: int | None) -> str:
    """The trials for a terminal, the highest judged first."""
    names = list(rows[0].changes) if rows else []
    heading = ["trial", *(name.rpartition(".")[2] for name in names), "judged", "R@1 (hidden)", ""]
    lines = [heading]
    for row in ranked(rows):
        values = [_short(row.changes[name]) for name in names]
        mark = " *" if row.number == best else ""
        lines.append([f"{row.number:03d}{mark}", *values, row.said, percent(row.r1), row.how[:60]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *_notes(rows)])


def write_sweep_page(
    path: Path, title: str, names: Sequence[str], rows: Sequence[Row], best: int | None, select_by: str
) -> Path:
    """Write the page: parallel coordinates, the score against every setting, and against the hidden recall.

    Args:
        names: of the settings that were tried.
        rows: one per trial.
        best: number of the trial that won; None where none was finished.
        select_by: what decided, in words.
    """
    return publish(
        path,
        "sweep.html.j2",
        title=title,
        names=names,
        rows=ranked(rows),
        best=best,
        select_by=select_by,
        short=_short,
        notes=_notes(rows),
        parallel=Markup(parallel(rows, names)) if any(not math.isnan(row.judged) for row in rows) else None,
        charts=[(name, Markup(scatter(rows, name))) for name in names],
        hidden=Markup(scatter(rows, None)) if _known(rows) else None,
    )


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Finished trials first, the highest judged first."""
    return sorted(rows, key=lambda row: (not row.finished, -np.nan_to_num(row.judged, nan=-1), row.number))


def rank_correlation(rows: Sequence[Row]) -> float:
    """Spearman's, of judged and hidden R@1 over the finished trials; NaN below three."""
    from scipy.stats import spearmanr

    known = _known(rows)
    if len(known) < 3:
        return math.nan
    return float(spearmanr([row.judged for row in known], [row.r1 for row in known])[0])  # pyright: ignore


def parallel(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Every finished trial as a line over its settings, to its judged recall; the better, the darker."""
    figure, axes = new_figure(7.2, 3.0)
    columns = [_positions([row.changes[name] for row in rows]) for name in names]
    scores = np.array([row.judged for row in rows])
    low, high = np.nanmin(scores), np.nanmax(scores)
    heights = (scores - low) / (high - low) if high > low else np.full(len(rows), 0.5)
    for place, row in enumerate(rows):
        if math.isnan(heights[place]):
            continue
        line = [*(column[place] for column in columns), heights[place]]
        strong = 0.3 + 0.7 * heights[place] ** 2
        axes.plot(range(len(line)), line, color=ACCENT if row.finished else MUTED, alpha=strong, linewidth=1.6)
    axes.set_xticks(range(len(names) + 1), [*(name.rpartition(".")[2] for name in names), "judged"])
    axes.set_yticks([])
    for column in range(len(names) + 1):
        axes.axvline(column, color=FAINT, linewidth=0.8)
    for column, name in enumerate(names):
        values = [row.changes[name] for row in rows]
        ends = (min(values), max(values)) if _numeric(values) else ("", "")
        for height, value in zip((-0.06, 1.06), ends, strict=True):
            axes.text(column, height, _short(value), ha="center", va="center", color=MUTED, fontsize=8)
    axes.text(len(names), 1.06, percent(float(high)), ha="center", va="center", color=MUTED, fontsize=8)
    axes.text(len(names), -0.06, percent(float(low)), ha="center", va="center", color=MUTED, fontsize=8)
    axes.set_ylim(-0.12, 1.12)
    return to_svg(figure)


def scatter(rows: Sequence[Row], name: str | None) -> str:
    """Judged recall against one setting or, without a name, hidden R@1 against it."""
    figure, axes = new_figure(3.1, 2.2)
    shown = _known(rows) if name is None else [row for row in rows if not math.isnan(row.judged)]
    judged = [100 * row.judged for row in shown]
    if name is None:
        axes.scatter(judged, [100 * (row.r1 or 0) for row in shown], s=16, color=ACCENT)
        axes.set_xlabel("judged R@1, %")
        axes.set_ylabel("R@1, %")
        return to_svg(figure)
    values = [row.changes[name] for row in shown]
    places = values if _numeric(values) else _positions(values)
    colours = [ACCENT if row.finished else MUTED for row in shown]
    axes.scatter(places, judged, s=16, c=colours)
    if not _numeric(values):
        named = dict(zip(places, map(_short, values), strict=True))
        axes.set_xticks(list(named), list(named.values()))
    axes.set_xlabel(name)
    axes.set_ylabel("judged R@1, %")
    return to_svg(figure)


def _known(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.finished and row.r1 is not None]


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = ["judged: R@1 as far as decoys tell, without truth; of stopped trials, the share of right labels"]
    if _known(rows):
        correlation = rank_correlation(rows)
        told = "" if math.isnan(correlation) else f"; rank correlation with the judge {correlation:.2f}"
        notes.append(f"R@1 is known here and was not used to choose{told}")
    return notes


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _positions(values: Sequence[Any]) -> list[float]:
    """Where values lie between the lowest and the highest, 0 to 1; names in their order."""
    if not _numeric(values):
        kinds = sorted(set(map(str, values)))
        return [kinds.index(str(value)) / max(1, len(kinds) - 1) for value in values]
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
