"""What `recipes.py` measured, as tables: the worlds, recall by row and world, how far the label-free judge was from the
truth, and the rounds of a recipe.

    python benchmarks/recipes_table.py                                     # of results/recipes.jsonl
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from origin import origin
from results import RESULTS, Line, lines_of, per_cent, table
from scipy.stats import spearmanr
from suite import SUITE, described

RECIPES = "recipes.jsonl"
BEFORE = "without_above"
"""The row that was the default before."""


def read(file: str | Path = RECIPES) -> list[Line]:
    """The last line of every (row, world, seed)."""
    return list({(line["row"], line["world"], line["seed"]): line for line in lines_of(file)}.values())


def worlds(file: str = RECIPES) -> str:
    """What the default reaches on every world it was run on, beside what costs nothing and what true pairs reach."""
    lines = read(file)
    ours, bound = _default(lines), [line for line in lines if line["row"] == "supervised"]
    heading = ["world", "seeds", "structure alone", "cold start", "**without labels**", "judged without truth"]
    heading += ["true pairs", "share of that", "minutes of a core"]
    rows = []
    for world in _worlds(ours):
        some, best = ([line for line in part if line["world"] == world] for part in (ours, bound))
        reached, reachable = ([line["r1"] for line in part] for part in (some, best))
        rows.append(
            [
                described(world) + _earlier(some),
                str(len(some)),
                per_cent([line["raw_pixels"].get("structure") for line in some]),
                per_cent([line["rounds"][0]["r1"] for line in some]),
                per_cent(reached, bold=True),
                per_cent([line["rounds"][-1]["judged"] for line in some]),
                per_cent(reachable),
                f"{np.mean(reached) / np.mean(reachable):.2f}" if reachable else "",
                f"{np.mean([line['cpu_seconds'] for line in some]) / 60:.0f}",
            ]
        )
    several = " Mean ± standard error of the seeds." if any(int(cells[1]) > 1 for cells in rows) else ""
    told = [line for line in [*ours, *bound] if line["world"] in {some["world"] for some in ours}]
    return f"{table(heading, rows)}\n\nR@1 in %.{several}{_told_of_earlier(ours)} {origin(str(file), told)}"


def floors(file: str = RECIPES) -> str:
    """What is found on every world without learning."""
    lines = read(file)
    by_world = {line["world"]: line for line in lines}
    ways = list(dict.fromkeys(way for line in lines for way in line["raw_pixels"]))
    rows = [[world, *(per_cent([by_world[world]["raw_pixels"].get(way)]) for way in ways)] for world in _worlds(lines)]
    heading = ["world", *(way.replace("_", ", ") for way in ways)]
    return f"{table(heading, rows)}\n\nR@1 in %. {origin(file, by_world.values())}"


def recipes(file: str = RECIPES) -> str:
    """R@1 of every row on every world, and as a share of what true pairs reach there."""
    lines = read(file)
    words = "R@1 in %, in brackets the share of what true pairs reach."
    if any("stopped" in line for line in lines):
        words += " Stopped: it found too few labels, or none that it could believe; what it had reached by then."
    return f"{recall_table(lines)}\n\n{words} {origin(file, lines)}"


def rounds(file: str = RECIPES) -> str:
    """What the default reached after every round, and how far the judge was off."""
    lines = _default(read(file))
    return f"{rounds_table(lines)}\n\nIn %.{_told_of_earlier(lines)} {_off(lines)} {origin(file, lines)}"


def judged(file: str = RECIPES) -> str:
    """By how much the judge's estimates were off, of all rows."""
    lines = [line for line in read(file) if line["labels"]]
    return f"{judge_table(lines)}\n\nIn points of R@1, and of the share of right labels. {origin(file, lines)}"


def recall_table(lines: Sequence[Line]) -> str:
    """R@1 of every row on every world, and as a share of what true pairs reach there."""
    shown = _worlds(lines)
    rows = []
    for row in dict.fromkeys(line["row"] for line in lines):
        cells = []
        for world in shown:
            reached, best = _r1(lines, row, world), _r1(lines, "supervised", world)
            share = f" ({np.mean(reached) / np.mean(best):.2f})" if reached and best and row != "supervised" else ""
            here = [line for line in lines if (line["row"], line["world"]) == (row, world)]
            cells.append(per_cent(reached) + share + " stopped" * any("stopped" in line for line in here))
        rows.append([f"`{row}`", *cells])
    return table(["row", *shown], rows)


def judge_table(lines: Sequence[Line]) -> str:
    """By how much the judge's estimates were off, over the models and labels of all rounds of a world, in points."""
    heading = ["world", "models", "R@1 off by, median", "in 95 %", "rank correlation"]
    heading += ["rounds", "share of right labels off by, median", "at most"]
    rows = []
    groups = {world: [line for line in lines if line["world"] == world] for world in _worlds(lines)}
    groups["all"] = list(lines)
    groups["those with mirrors about three axes"] = [line for line in lines if "mirror_axes" in line]
    for world, those in groups.items():
        some = [one for line in those for one in line["rounds"]]
        reached, told = _both(some, "r1", "judged")
        right, told_right = _both(some, "precision", "judged_precision")
        if len(reached) < 3:
            continue
        off, off_right = 100 * abs(reached - told), 100 * abs(right - told_right)
        numbers = [np.median(off), np.quantile(off, 0.95)], [np.median(off_right), off_right.max(initial=0)]
        shown, shown_right = ([f"{number:.1f}" for number in part] for part in numbers)
        order = f"{spearmanr(reached, told).statistic:.3f}"
        rows.append([world, str(len(reached)), *shown, order, str(len(right)), *shown_right])
    return table(heading, rows)


def rounds_table(lines: Sequence[Line]) -> str:
    """What one recipe reached after every round, and what the judge said of it without a label, in %."""
    count = max((len(line["rounds"]) for line in lines), default=1) - 1
    told = {"r1": "R@1", "judged": "judged", "precision": "labels right"}
    rows = []
    for world in _worlds(lines):
        some = [line for line in lines if line["world"] == world]
        for name, what in told.items():
            by_round = zip_longest(*([one[name] for one in line["rounds"]] for line in some))
            cells = [per_cent(list(values)) for values in by_round]
            seeds = f", {len(some)} seeds" if len(some) > 1 else ""
            first = world + seeds + _earlier(some) if name == "r1" else ""
            rows.append([first, what, *cells, *[""] * (count + 1 - len(cells))])
    return table(["", "", "cold", *(str(number + 1) for number in range(count))], rows)


def _default(lines: Sequence[Line]) -> list[Line]:
    """Lines of the default and, of worlds where it was not run yet, of the one before."""
    ours = [line for line in lines if line["row"] == "default"]
    known = {line["world"] for line in ours}
    return ours + [line for line in lines if line["row"] == BEFORE and line["world"] not in known]


def _earlier(lines: Sequence[Line]) -> str:
    return " †" if any(line["row"] == BEFORE for line in lines) else ""


def _told_of_earlier(lines: Sequence[Line]) -> str:
    return f" †: as the default was before, row `{BEFORE}`." if _earlier(lines) else ""


def _off(lines: Sequence[Line]) -> str:
    """By how much the judge was off at most, in words."""
    some = [one for line in lines for one in line["rounds"]]
    reached, told = _both(some, "r1", "judged")
    right, told_right = _both(some, "precision", "judged_precision")
    if not len(reached) or not len(right):
        return ""
    off, off_right = 100 * abs(reached - told), 100 * abs(right - told_right)
    return (
        f"R@1 is judged within 5 points in {(off <= 5).sum()} of {len(off)} models and off by {off.max():.1f} at most, "
        f"the share of right labels by {off_right.max():.1f} at most in {len(right)} rounds."
    )


def _worlds(lines: Iterable[Line]) -> list[str]:
    """Those of the suite in its order, each with what is derived from it; then others."""
    place = {name: number for number, name in enumerate(SUITE)}
    found = dict.fromkeys(line["world"] for line in lines)
    return sorted(found, key=lambda world: (place.get(world.split(":")[-1], len(place)), ":" in world))


def _both(rounds: Iterable[Line], *names: str) -> np.ndarray:
    found = [[one.get(name) for name in names] for one in rounds]
    return np.array([pair for pair in found if None not in pair], float).reshape(-1, 2).T


def _r1(lines: Sequence[Line], row: str, world: str) -> list[float]:
    return [line["r1"] for line in lines if (line["row"], line["world"]) == (row, world)]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS / RECIPES)
    lines = read(parser.parse_args(argv).results.resolve())
    default = [line for line in lines if line["row"] == "default"]
    tables = recall_table(lines), judge_table([line for line in lines if line["labels"]]), rounds_table(default)
    print("\n\n".join(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
