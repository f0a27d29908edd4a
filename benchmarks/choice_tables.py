"""What `recipes.py` measured, as tables: what every default that differs from the paper gains, and how well the
label-free judge chooses between rounds, queries and recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from origin import origin
from recipes_table import RECIPES, read
from results import Line, lines_of, table
from suite import SUITE

DIFFERS: Mapping[str, str] = {
    "no_structure": "the structure of the ground votes in the matching",
    "unverified": "the best ten are verified over poses",
    "no_whitening": "descriptors are whitened view by view",
    "margin": "labels enter by their probability, not by a threshold in cosines",
    "at_once": "bird's-eye views first, panoramas after four rounds",
    "without_above": "bird's-eye views go on beside panoramas",
    "bev_alone": "panoramas, beside bird's-eye views",
    "equal_weights": "decoys weigh panorama and bird's-eye view in a query",
    "both": "the structure of the ground is searched by",
    "translated": "no CycleGAN",
    "as_taken": "photos are levelled",
    "paper": "all together",
}
"""Row that takes one default back -> the default."""


def defaults(file: str = RECIPES) -> str:
    """By how many points of R@1 the default is better than itself with one choice of the paper's put back."""
    lines = read(file)
    reached = {(line["row"], line["world"], line["seed"]): line["r1"] for line in lines}
    rows, used = [], []
    for row, what in DIFFERS.items():
        by_world: dict[str, list[float]] = {}
        for line in [line for line in lines if line["row"] == row]:
            # Of the row that it was laid over: lines say it where that was an earlier default.
            ours = reached.get((line.get("base", "default"), line["world"], line["seed"]))
            if ours is not None:
                used.append(line)
                by_world.setdefault(line["world"], []).append(100 * (ours - line["r1"]))
        if not by_world:
            continue
        gains = {world: float(np.mean(points)) for world, points in by_world.items()}
        worst = min(gains, key=gains.__getitem__)
        told = f"{np.mean(list(gains.values())):+.1f}", f"{gains[worst]:+.1f} (`{worst}`)"
        rows.append([what, f"`{row}`", *told, ", ".join(f"`{world}`" for world in gains)])
    heading = ["default", "row without it", "gain, mean", "worst", "worlds"]
    return f"{table(heading, rows)}\n\nPoints of R@1, of the same world and seed. {origin(file, used)}"


def choices(file: str = RECIPES) -> str:
    """The R@1 of what the judge says is best, as a share of the best there is."""
    lines = [line for line in read(file) if line["labels"] and not line["row"].startswith("supervised")]
    ours = [line for line in lines if line["row"] == "default"]
    recipes: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        recipes.setdefault(_name(line), []).append((line["r1"], line["rounds"][-1]["judged"]))
    what = {
        "rounds of the default, as `curriculum.keep` does": {
            _name(line): [(one["r1"], one["judged"]) for one in line["rounds"]] for line in ours
        },
        "panorama, bird's-eye view or both, without structure, headings known": {
            _name(line): [(r1, judged) for r1, judged in line["ways"].values()]
            for line in ours
            if line["ways"] and SUITE[line["world"].split(":")[-1]].get("contrast.heading") != "unknown"
        },
        "recipes, the other rows among them": recipes,
    }
    rows = [[name, *_shares(groups)] for name, groups in what.items()]
    heading = ["between", "choices", "share of the best, mean", "worst", "of .98 and more"]
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def mirror_axes(file: str = "mirror_axes.jsonl") -> str:
    """How far the judge is off with decoys mirrored about one axis, and about one of three by their content."""
    lines, rows = lines_of(file), []
    for axis in lines[0]["judged"]:
        off = {world: [] for world in dict.fromkeys(line["world"] for line in lines)}
        for line in lines:
            off[line["world"]].append(100 * (line["judged"][axis] - line["r1"]))
        every, overlapping = np.concatenate([*off.values()]), np.mean(off["vigor_like"])
        told = f"{every.mean():+.1f}", f"{np.median(abs(every)):.1f}", f"{np.quantile(abs(every), 0.95):.1f}"
        rows.append([axis, *told, f"{overlapping:+.1f}"])
    heading = ["mirrored about", "R@1 judged too high by, mean", "off by, median", "in 95 %", "`vigor_like`, mean"]
    worlds = ", ".join(f"`{world}`" for world in dict.fromkeys(line["world"] for line in lines))
    said = f"In points of R@1, of {len(lines)} models and ways of asking on {worlds}."
    return f"{table(heading, rows)}\n\n{said} {origin(file, lines)}"


def _name(line: Line) -> str:
    return f"{line['world']} {line['seed']}"


def _shares(groups: Mapping[str, Iterable[tuple[float, float]]]) -> list[str]:
    shares = {}
    for name, some in groups.items():
        known = [(reached, judged) for reached, judged in some if judged is not None]
        if len(known) > 1:
            best = max(reached for reached, _ in known)
            shares[name] = max(known, key=lambda one: one[1])[0] / best if best else 1.0
    if not shares:
        return ["0", "", "", ""]
    worst = min(shares, key=shares.__getitem__)
    good = sum(share >= 0.98 for share in shares.values())
    return [str(len(shares)), f"{np.mean(list(shares.values())):.3f}", f"{shares[worst]:.3f} (`{worst}`)", str(good)]
