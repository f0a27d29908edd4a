"""What `recipes.py` measured, as tables: recall by row and world, how far the label-free judge was from the truth, and
the rounds of the default recipe.

    python benchmarks/recipes_table.py                                     # of results/recipes.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

RESULTS = Path(__file__).with_name("results") / "recipes.jsonl"
Line = Mapping[str, Any]


def recall_table(lines: Sequence[Line]) -> Iterator[str]:
    """R@1 of every row on every world, and as a share of what true pairs reach there."""
    worlds = list(dict.fromkeys(line["world"] for line in lines))
    yield f"| row | {' | '.join(worlds)} |"
    yield f"| --- |{' --- |' * len(worlds)}"
    true_pairs = {world: _mean(lines, "supervised", world) for world in worlds}
    for row in dict.fromkeys(line["row"] for line in lines):
        cells = []
        for world in worlds:
            reached, best = _mean(lines, row, world), true_pairs[world]
            share = f" ({reached / best:.2f})" if reached and best and row != "supervised" else ""
            cells.append(f"{100 * reached:.1f}{share}" if reached else "")
        yield f"| `{row}` | {' | '.join(cells)} |"


def judge_table(lines: Sequence[Line]) -> Iterator[str]:
    """By how much the judge's estimates were off, over the models and labels of all rounds of a world, in points."""
    heading = ("world", "models", "R@1 off by, median", "in 95 %", "rank correlation")
    heading += ("rounds", "share of right labels off by, median", "at most")
    yield f"| {' | '.join(heading)} |"
    yield f"|{' --- |' * len(heading)}"
    for world in [*dict.fromkeys(line["world"] for line in lines), "all"]:
        some = [one for line in lines if world in ("all", line["world"]) for one in line["rounds"]]
        reached, told = _both(some, "r1", "judged")
        right, told_right = _both(some, "precision", "judged_precision")
        if len(reached) < 3:
            continue
        off, off_right = 100 * abs(reached - told), 100 * abs(right - told_right)
        order = spearmanr(reached, told).statistic
        yield (
            f"| {world} | {len(reached)} | {np.median(off):.1f} | {np.quantile(off, 0.95):.1f} | {order:.3f} | "
            f"{len(right)} | {np.median(off_right):.1f} | {off_right.max():.1f} |"
        )


def rounds_table(lines: Sequence[Line], row: str = "default") -> Iterator[str]:
    """What a recipe reached after every round, and what the judge said of it without a label, in %."""
    some = [line for line in lines if line["row"] == row]
    rounds = max((len(line["rounds"]) for line in some), default=1) - 1
    yield f"| | | cold | {' | '.join(str(number + 1) for number in range(rounds))} |"
    yield f"| --- | --- |{' --- |' * (rounds + 1)}"
    told = {"r1": "R@1", "judged": "judged", "precision": "labels right", "judged_precision": "judged"}
    for line in some:
        for name, what in told.items():
            cells = ["" if one[name] is None else f"{100 * one[name]:.1f}" for one in line["rounds"]]
            yield f"| {line['world'] if name == 'r1' else ''} | {what} | {' | '.join(cells)} |"


def _both(rounds: Iterable[Line], *names: str) -> np.ndarray:
    found = [[one.get(name) for name in names] for one in rounds]
    return np.array([pair for pair in found if None not in pair], float).reshape(-1, 2).T


def _mean(lines: Sequence[Line], row: str, world: str) -> float:
    found = [line["r1"] for line in lines if (line["row"], line["world"]) == (row, world)]
    return float(np.mean(found)) if found else 0.0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS)
    lines = [json.loads(line) for line in parser.parse_args(argv).results.read_text().splitlines()]
    lines = [line for line in lines if "error" not in line]
    tables = recall_table(lines), judge_table([line for line in lines if line["labels"]]), rounds_table(lines)
    print("\n\n".join("\n".join(table) for table in tables))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
