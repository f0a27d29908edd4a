"""Lines of the ablation as a table: mean and range over seeds, and the share of what supervision reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from origin import origin
from results import Line, lines_of

SCORES = {"R@1": "r1", "R@5": "r5", "R@10": "r10", "R@1%": "r1pct"}


def ablation(file: str = "ablation.jsonl") -> str:
    """The table of a file in `results/`."""
    lines = lines_of(file)
    return f"{markdown(lines)}\n{origin(file, lines)}"


def markdown(lines: Sequence[Line]) -> str:
    """A table in Markdown, in per cent; what it was measured on stands below it."""
    rows: dict[str, list[Line]] = {}
    for line in lines:
        rows.setdefault(line["row"], []).append(line)
    if not rows:
        return "nothing measured yet"
    heading = ["row", "seeds", *SCORES, "more than `full`", "of supervised", "labels", "label precision"]
    table = [heading, ["---"] * len(heading), *(_row(name, some, rows) for name, some in rows.items())]
    raw = [max(line["raw_pixels"].values()) for line in lines]
    recall = lines[0]["recall"]
    notes = [
        f"{recall['queries']} queries x {recall['references']} references; {recall['protocol']}; "
        f"chance R@1 {100 / recall['references']:.2g}; raw pixels, the best of four ways, R@1 {_range(raw)}.",
        "Mean over the seeds (lowest to highest); what is compared by R@1 has the same seeds. "
        "Labels and their precision are those of the last round.",
    ]
    stopped = [f"{line['row']}-{line['seed']}: {line['stopped']}" for line in lines if line["stopped"]]
    notes += [f"Ended early: {reason}." for reason in stopped]
    return "\n".join(["| " + " | ".join(row) + " |" for row in table] + ["", *notes])


def _row(name: str, lines: Sequence[Line], rows: Mapping[str, Sequence[Line]]) -> list[str]:
    scores = {key: [line["recall"][key] for line in lines] for key in SCORES.values()}
    ours, full = _same_seeds(lines, rows.get("full", ()))
    more = f"{100 * np.mean(np.subtract(ours, full)):+.1f}" if full and name != "full" else ""
    ours, best = _same_seeds(lines, rows.get("supervised", ()))
    share = f"{100 * np.mean(ours) / np.mean(best):.0f} %" if best else ""
    rounds = [[entry for entry in line["rounds"] if entry["labels"] is not None] for line in lines]
    last = [some[-1] for some in rounds if some]
    labels = f"{np.mean([entry['labels'] for entry in last]):.0f}" if last else ""
    precision = _range([entry["precision"] for entry in last]) if last else ""
    shown = [_range(values) for values in scores.values()]
    return [name, str(len(lines)), *shown, more, share, labels, precision]


def _same_seeds(lines: Sequence[Line], others: Sequence[Line]) -> tuple[list[float], list[float]]:
    """R@1 of both, of the seeds that both have."""
    ours, theirs = ({line["seed"]: line["recall"]["r1"] for line in some} for some in (lines, others))
    return tuple([some[seed] for seed in ours if seed in theirs] for some in (ours, theirs))  # pyright: ignore


def _range(shares: Sequence[float]) -> str:
    middle = f"{100 * np.mean(shares):.1f}"
    if len(shares) == 1:
        return middle
    return f"{middle} ({100 * min(shares):.1f} to {100 * max(shares):.1f})"
