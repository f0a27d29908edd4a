"""Charts as inline SVG, without fonts or colours of their own: they follow the page into dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ucvgl.pseudo_labels.decoys import Estimate

# Matplotlib wants colours, the page wants variables: these stand for them until the SVG is written.
INK, FAINT, ACCENT, MUTED = "#010203", "#040506", "#070809", "#0a0b0c"
VARIABLES = {INK: "var(--ink)", FAINT: "var(--line)", ACCENT: "var(--accent)", MUTED: "var(--muted)"}
MOST_POINTS = 300
DASHES = ("-", "-", (0, (5, 2)), (0, (5, 2)), (0, (1.5, 1.5)), (0, (1.5, 1.5)))


def recall_curve(
    r1: Sequence[float], levels: Mapping[str, float], *, begun: str = "cold start", judged: Sequence[Estimate] = ()
) -> str:
    """R@1 at the beginning and after each round, with levels (chance, supervised) to judge it by.

    Args:
        r1: shares; the first is that of what the rounds begin with. Empty where there is no truth.
        levels: share by name, drawn as dashed lines.
        judged: of the same encoders, without truth; drawn with its bounds. Alone where `r1` is empty.
    """
    figure, axes = new_figure(6.4, 2.9)
    percent = 100 * np.array(r1 if len(r1) else [estimate.value for estimate in judged], float)
    top = 0.0
    if judged:
        low, value, high = (
            [100 * getattr(estimate, name) for estimate in judged] for name in ("low", "value", "high")
        )
        axes.fill_between(range(len(judged)), low, high, color=FAINT, linewidth=0)
        axes.plot(range(len(judged)), value, color=MUTED, linewidth=1.2)
        top = max(high)
    if len(r1):
        axes.plot(range(len(percent)), percent, color=ACCENT, marker="o", markersize=4, linewidth=1.8)
    top = max([top, *percent[np.isfinite(percent)], *(100 * level for level in levels.values()), 1.0])
    last = len(percent) - 1
    axes.annotate(
        f"{percent[-1]:.1f}",
        (last, percent[-1]),
        (0, 7),
        textcoords="offset points",
        ha="center",
        color=ACCENT,
    )
    axes.set_xlim(-0.3, max(last, 1) + 0.3)
    axes.set_ylim(0, 1.12 * top)
    # Names stand to the right of their lines, pushed apart where lines nearly meet.
    place = -np.inf
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        axes.axhline(100 * level, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
        place = max(100 * level, place + 0.085 * top)
        label = f"{name} {100 * level:.1f}" if level >= 0.01 else f"{name} {100 * level:.2g}"
        axes.text(
            1.015, place, label, transform=axes.get_yaxis_transform(), va="center", color=MUTED, fontsize=9
        )
    axes.set_xticks(range(len(percent)), [begun, *map(str, range(1, len(percent)))])
    axes.set_xlabel("after round")
    axes.set_ylabel("R@1, %")
    axes.yaxis.grid(True, color=FAINT, linewidth=0.7)
    return to_svg(figure)


def recall_curves(runs: Mapping[str, Sequence[float]]) -> str:
    """R@1 (shares) after the cold start and after each round, a line per run with its name at its end."""
    figure, axes = new_figure(7.2, 3.4)
    ends = {name: 100 * r1[-1] for name, r1 in runs.items()}
    top, longest = max(100 * max(r1) for r1 in runs.values()), max(map(len, runs.values()))
    place = -np.inf
    for number, name in enumerate(sorted(runs, key=lambda run: ends[run])):
        style, colour = DASHES[number % len(DASHES)], ACCENT if number % 2 == 0 else INK
        axes.plot(100 * np.asarray(runs[name], float), color=colour, linestyle=style, linewidth=1.6)
        place = max(ends[name], place + 0.07 * max(top, 1.0))  # names pushed apart where lines end together
        axes.text(
            longest - 0.8, place, f"{name} {ends[name]:.1f}", va="center", color=colour, fontsize=9, clip_on=False
        )
    axes.set_xlim(-0.2, longest - 0.9)
    axes.set_ylim(0, 1.1 * max(top, 1.0))
    axes.set_xticks(range(longest), ["cold start", *map(str, range(1, longest))])
    axes.set_xlabel("after round")
    axes.set_ylabel("R@1, %")
    axes.yaxis.grid(True, color=FAINT, linewidth=0.7)
    return to_svg(figure)


def margin_histogram(margins: Float[np.ndarray, " n"], threshold: float, limit: float) -> str:
    """Margins of all queries in one round; those beyond the threshold are filled, the line is the threshold.

    Args:
        limit: right end of the axis, the same for all rounds.
    """
    figure, axes = new_figure(2.4, 0.55)
    edges = np.linspace(0, limit, 41)
    counts, _ = np.histogram(np.clip(margins[np.isfinite(margins)], 0, limit), edges)
    centres = (edges[1:] + edges[:-1]) / 2
    for chosen, colour in ((centres < threshold, MUTED), (centres >= threshold, ACCENT)):
        axes.bar(centres[chosen], counts[chosen], width=0.9 * edges[1], color=colour, linewidth=0)
    axes.axvline(threshold, color=INK, linewidth=1)
    axes.set_xlim(0, limit)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["left"].set_visible(False)
    return to_svg(figure)


def loss_curve(steps: Sequence[float], losses: Sequence[float]) -> str:
    """One loss over steps; long ones are averaged over neighbouring steps."""
    x, y = np.asarray(steps, float), np.asarray(losses, float)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) > MOST_POINTS:
        x, y = ([part.mean() for part in np.array_split(axis, MOST_POINTS)] for axis in (x, y))
    figure, axes = new_figure(3.1, 1.7)
    axes.plot(x, y, color=ACCENT, linewidth=1.3, marker="o" if len(x) == 1 else None)
    axes.yaxis.grid(True, color=FAINT, linewidth=0.7)
    axes.set_xlabel("step")
    axes.locator_params(nbins=4)
    return to_svg(figure)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty chart in the colours that `to_svg` replaces."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "ucvgl"
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=MUTED, labelsize=9, length=3)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(MUTED)
        label.set_fontsize(9)
    return figure, axes


def to_svg(figure: Figure) -> str:
    """A chart as an SVG element that takes its width and its colours from the page."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1, flags=re.S)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1, flags=re.S)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    return text
