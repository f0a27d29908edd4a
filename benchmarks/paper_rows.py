"""The rows of the paper's Tables 1 to 5, as `recipes.py` measured them on worlds of the demo's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from origin import origin
from results import Line, lines_of, per_cent, table

FILE = "paper_rows.jsonl"
FULL = "default"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        words: what is different from the default.
        name: of `recipe_rows.ROWS`.
        paper: by how many points of R@1 the same change moves the paper's result on CVUSA and CVACT, where it says so.
        world: of `suite.DEMO`; compared with the default there, or on `demo`.
        against: the world of the default that it is compared with.
    """

    words: str
    name: str
    paper: tuple[float | None, float | None] = (None, None)
    world: str = "demo"
    against: str = "demo"


TABLES: dict[str, Sequence[Row]] = {
    "1, supervision": (
        Row("fine-tuned on a tenth of the pairs", "fine_tuned"),
        Row("all true pairs, no label found", "supervised", (5.63, 1.48)),
    ),
    "2, cold start": (
        Row("no bird's-eye view: squashed panoramas", "default", (-17.94, -44.81), "demo_squashed"),
        Row("with the CycleGAN", "translated", (8.78, 22.03)),
        Row("no intra-view contrast", "no_cold", (-2.38, -1.83)),
        Row("with cross-view contrast before the first label", "cross", (17.95, 44.80)),
    ),
    "3, matching": (
        Row("not mutual", "no_mutual", (-73.50, -21.06)),
        Row("no threshold", "no_threshold", (-51.38, -0.50)),
        Row("the first labels are kept", "no_curriculum", (-55.34, -19.82)),
        Row("threshold on the margin, as in the paper", "margin"),
    ),
    "4, some labels": (
        Row("1 % of the pairs known", "labels_1", (None, -14.67)),
        Row("5 %", "labels_5", (None, -4.86)),
        Row("10 %", "labels_10", (None, -4.08)),
        Row("20 %", "labels_20", (None, -3.36)),
    ),
    "5, components": (
        Row("mean instead of SAFA", "no_safa", (None, -9.48)),
        Row("panoramas of the tiles' size, shared weights", "shared", (None, -1.90), "demo_square", "demo_square"),
        Row("no label smoothing", "no_smoothing", (None, -11.08)),
        Row("random shifts", "random_shift", (None, -28.47)),
        Row("random rotations", "random_rotation", (None, -32.64)),
    ),
}


def paper_rows(file: str = FILE) -> str:
    """Every row, by how much it differs from the default, and by how much in the paper."""
    lines = lines_of(file)
    heading = ["table", "row", "R@1", "more than the default", "encoders alone", "more", "cold start", "first labels"]
    heading += ["right, %", "in the paper"]
    full = _of(lines, FULL, "demo")
    rows = [["", "**the default**", _ends(full, bold=True), "", _alone(full), "", *_begun(full), ""]]
    for name, some in TABLES.items():
        for row in some:
            ours, base = _same(_of(lines, row.name, row.world), _of(lines, FULL, row.against))
            if ours:
                both = list(zip(ours, base, strict=True))
                more = _signed([a["r1"] - b["r1"] for a, b in both])
                alone = _signed([_by_encoders(a) - _by_encoders(b) for a, b in both if a["ways"] and b["ways"]])
                told = [_ends(ours), more, _alone(ours), alone, *_begun(ours)]
                rows.append([name, row.words, *told, _paper(row.paper)])
                name = ""
    words = "R@1 in %, mean ± standard error over worlds drawn and trained by seeds of their own; differences "
    words += "are those between rows of one world. Encoders alone: panorama and bird's-eye view in equal parts, not "
    words += "by the structure of the ground, and not verified. In the paper: the same difference there."
    return f"{table(heading, rows)}\n\n{words} {origin(file, lines)}"


def _of(lines: Sequence[Line], row: str, world: str) -> list[Line]:
    return [line for line in lines if line["row"] == row and line["world"].partition("@")[0] == world]


def _same(ours: Sequence[Line], others: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Lines of both whose world was drawn by one seed, in one order."""
    seeds = [{line["world"].partition("@")[2]: line for line in some} for some in (ours, others)]
    both = [seed for seed in seeds[0] if seed in seeds[1]]
    return [seeds[0][seed] for seed in both], [seeds[1][seed] for seed in both]


def _ends(lines: Sequence[Line], *, bold: bool = False) -> str:
    return per_cent([line["r1"] for line in lines], bold=bold)


def _alone(lines: Sequence[Line]) -> str:
    return per_cent([_by_encoders(line) for line in lines if line["ways"]])


def _by_encoders(line: Line) -> float:
    """R@1 by panorama and bird's-eye view in equal parts, without the structure of the ground, and not verified."""
    return line["ways"]["both"][0]


def _begun(lines: Sequence[Line]) -> list[str]:
    """R@1 after the cold start; the first labels, and how many of them are right."""
    labelled = [line for line in lines if line["labels"]]
    first = [next((r["precision"] for r in line["rounds"] if r["precision"] is not None), None) for line in labelled]
    count = f"{np.mean([line['labels'][0] for line in labelled]):.0f}" if labelled else ""
    return [per_cent([line["rounds"][0]["r1"] for line in lines]), count, per_cent(first)]


def _signed(differences: Sequence[float]) -> str:
    told = per_cent(differences)
    return told if told.startswith("-") or not told else f"+{told}"


def _paper(points: tuple[float | None, float | None]) -> str:
    told = [f"{name} {one:+.1f}" for name, one in zip(("CVUSA", "CVACT"), points, strict=True) if one is not None]
    return ", ".join(told)
