"""Reads what benchmarks wrote, and shows numbers and tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("results")
Line = Mapping[str, Any]


def lines_of(file: str | Path) -> list[dict[str, Any]]:
    """The lines of a file in `results/` (or of any path) that are no errors."""
    lines = [json.loads(line) for line in (RESULTS / file).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "error" not in line]


def whole(file: str) -> Any:
    """A JSON file in `results/`."""
    return json.loads((RESULTS / file).read_text(encoding="utf-8"))


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [heading, ["---"] * len(heading), *rows])


def per_cent(shares: Sequence[float | None], *, bold: bool = False) -> str:
    """The mean of shares in per cent, ± its standard error where there are several; empty where there is none."""
    known = 100 * np.array([share for share in shares if share is not None], float)
    if not len(known):
        return ""
    middle = f"{known.mean():.1f}"
    middle = f"**{middle}**" if bold else middle
    return middle if len(known) == 1 else f"{middle} ± {known.std(ddof=1) / len(known) ** 0.5:.1f}"
