"""What `adapt.py` and `real.py` measured, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from origin import origin
from results import Line, lines_of, per_cent, table, whole

SHOWN = {
    "full": "**adapted**",
    "mutual": "`mutual`, the labels of EM-CVGL",
    "paper": "as near to the paper as settings go, four turns too",
    "no_em": "without EM: the first labels are kept",
    "no_aic": "without AIC",
    "no_group_contrast": "without the contrast of pictures that are alike",
    "supervised": "the same adapter on true pairs",
}
NO_VOTES = ("frozen", "centred", "whitened", "aligned", "fair")


def adapted(files: str) -> str:
    """Every row of some files, side by side: both ways, the share of what true pairs reach, and the last labels.

    Args:
        files: of `results/`, with commas between.
    """
    sides = [whole(file) for file in files.split(",")]
    names = [file.removeprefix("adapt-").removesuffix(".json").replace("-", ", ") for file in files.split(",")]
    heading = ["row"]
    for name in names:
        before = f"{name}: " if len(sides) > 1 else ""
        heading += [f"{before}R@1", "AP", "back: R@1", "AP", "R@1 of true pairs'", "last labels", "right, %"]
    rows = [["frozen", *(cell for side in sides for cell in [*_ways(side[0]["recall"]["before"]), "", "", ""])]]
    for line in sides[0]:
        cells = [cell for side in sides for cell in _row(side, line["row"])]
        rows.append([SHOWN.get(line["row"], f"`{line['row']}`"), *cells])
    seconds = " and ".join(f"{side[0]['seconds']:.0f}" for side in sides)
    told = f"In %, one seed; AP by the trapezoid rule. Adapting took {seconds} s."
    return f"{table(heading, rows)}\n\n{told} {origin(files.replace(',', '`, `'), [side[0] for side in sides])}"


def _row(side: Sequence[Line], name: str) -> list[str]:
    line, best = (next((line for line in side if line["row"] == row), None) for row in (name, "supervised"))
    if line is None:
        return [""] * 7
    share = f"{_forth(line) / _forth(best):.2f}" if best and name != "supervised" else ""
    last = [entry for entry in line["rounds"] if entry["labels"] is not None][-1]
    return [*_ways(line["recall"]["after"]), share, str(last["labels"]), per_cent([last["precision"]])]


def _forth(line: Line) -> float:
    return line["rounds"][-1]["forth_r1"]


def _ways(ways: Mapping[str, Line]) -> list[str]:
    return [per_cent([value]) for some in ways.values() for value in (some["r1"], some["more"]["AP (trapezoid)"])]


def adapted_words() -> str:
    """What the README says of adapters."""

    def told(file: str) -> tuple[str, str, str]:
        side = {line["row"]: line for line in whole(file)}
        before = next(iter(side["full"]["recall"]["before"].values()))["r1"]
        return per_cent([before]), per_cent([_forth(side["full"])]), per_cent([_forth(side["supervised"])])

    first, last, best = told("adapt-panorama-world1.json")
    flights = told("adapt-drone-world2.json")
    return (
        f"On an area that chose no setting R@1 rose from {first} to {last}; true pairs bring the same adapter to "
        f"{best}.\n"
        f"For drone pictures of buildings it was {flights[0]}, {flights[1]} and {flights[2]} (`docs/adapt.md`)."
    )


def real() -> str:
    """Every network of `real.jsonl`, one below the other."""
    lines = lines_of("real.jsonl")
    shown = "\n\n".join(real_table(line["title"], line["splits"]) for line in lines)
    return f"{shown}\n\nIn %, mean and standard error over the splits. {origin('real.jsonl', lines)}"


def real_table(title: str, measured: Sequence[Mapping[str, Sequence[float]]]) -> str:
    """One network's rows in Markdown: mean and standard error over random halves, and what the judge said."""
    rows = []
    for row in measured[0]:
        forth, back, *judged = np.array([split[row] for split in measured]).T / 100
        told = [per_cent(way) for way in judged] or ["", ""]
        rows.append([row, per_cent(forth), told[0], per_cent(back), told[1]])
    words = []
    for way, number in (("forth", 0), ("back", 1)):
        free = np.max([[split[row][number] for split in measured] for row in NO_VOTES], axis=0)
        ours, most = (np.array([split[row][number] for split in measured]) for row in ("voted", "true pairs"))
        times, share = ours.mean() / free.mean(), 100 * ours.mean() / most.mean()
        each = "more" if (ours > free).all() else "not more"
        words.append(
            f"{way}, votes find {times:.2f} times what the best other row does, {each} on each half, and {share:.0f} % "
            f"of what true pairs do"
        )
    heading = [title, "R@1", "judged", "back: R@1", "judged"]
    return f"{table(heading, rows)}\n\n{words[0][0].upper()}{'; '.join(words)[1:]}."
