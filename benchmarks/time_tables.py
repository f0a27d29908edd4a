"""Tables of `time_to_recall.py`: when R@1 reached which level, and where the seconds went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from origin import origin
from results import Line, lines_of, table
from suite import SUITE

FILE = "time_to_recall.jsonl"
LEVELS = (0.4, 0.6, 0.7, 0.8, 0.9)
PARTS = {"translation": "translate", "cold start": "cold_start", "scans": "scan", "rounds": "round"}
"""What a part is called, and how the names of its stages begin."""


def spent(log: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """CPU seconds until the end of every stage, in their order; a round is its scan and its training.

    Args:
        log: what a run said, in the order of its seconds; a stage that was broken off ends where it ended at last.
    """
    found: dict[str, float] = {}
    for said in log:
        name = f"scan_{said['step']:02d}" if said["stage"] == "curriculum" else said["stage"]
        found.pop(name, None)
        found[name] = said["cpu_seconds"]
    return found


def time_to_recall(file: str = FILE) -> str:
    """CPU seconds until R@1 reached each level: those at the end of the first round in which it did."""
    rows, lines = [], _sorted(lines_of(file))
    for world, row in dict.fromkeys((line["world"], line["row"]) for line in lines):
        some = [line for line in lines if (line["world"], line["row"]) == (world, row)]
        reached = [[seconds_to(line, level) for line in some] for level in LEVELS]
        last = f"{100 * np.median([line['r1'] for line in some]):.1f} after {_seconds(_whole(line) for line in some)}"
        last += ", stopped" * any("stopped" in line for line in some)
        rows.append([world, f"`{row}`", str(len(some)), *(_seconds(times) for times in reached), last])
    heading = ["world", "row", "seeds", *(f"{100 * level:.0f}" for level in LEVELS), "in the end"]
    return f"{table(heading, rows)}\n\nSeconds of a core until R@1 in %. {origin(file, lines)}"


def time_by_stage(file: str = FILE) -> str:
    """Which part of the work took how many CPU seconds."""
    rows, lines = [], _sorted(lines_of(file))
    for line in lines:
        ends = list(line["spent"].items())
        took = [(name, end - before) for (name, end), before in zip(ends, [0, *(end for _, end in ends)], strict=False)]
        parts = [sum(seconds for name, seconds in took if name.startswith(part)) for part in PARTS.values()]
        which = [line["world"], f"`{line['row']}`", str(line["seed"])]
        rows.append([*which, *(f"{part:.0f}" for part in parts), f"{_whole(line):.0f}"])
    return f"{table(['world', 'row', 'seed', *PARTS, 'in all'], rows)}\n\nSeconds of a core. {origin(file, lines)}"


def _sorted(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """World by world."""
    return sorted(lines, key=lambda line: (list(SUITE).index(line["world"]), line["row"] != "default", line["seed"]))


def seconds_to(line: Line, level: float) -> float | None:
    """At the end of which stage the R@1 of a run was first as high; None: it never was."""
    ends = line["spent"]
    cold = max(end for name, end in ends.items() if name.startswith("cold_start"))
    return next((ends.get(one["name"], cold) for one in line["rounds"] if (one["r1"] or 0) >= level), None)


def _whole(line: Line) -> float:
    return list(line["spent"].values())[-1]


def _seconds(times: Iterable[float | None]) -> str:
    """The median of the seeds; a level that half of them never reached has none."""
    known = sorted(np.inf if one is None else one for one in times)
    middle = float(np.median(known)) if np.inf not in known else known[len(known) // 2]
    return "-" if np.isinf(middle) else f"{middle:.0f}"
