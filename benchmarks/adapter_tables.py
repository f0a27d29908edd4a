"""What `adapt.py` measured, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from origin import origin
from results import Line, per_cent, table, whole

SHOWN = {
    "full": "adapted, by labels found in rounds",
    "mutual": "`mutual`, the labels of EM-CVGL",
    "paper": "as near to the paper as settings go, four turns too",
    "no_em": "without EM: the first labels are kept",
    "no_aic": "without AIC",
    "no_group_contrast": "without the contrast of pictures that are alike",
    "supervised": "the same adapter on true pairs",
}
WAYS = ("forth", "back")


def adapted(files: str) -> str:
    """Every row of some files, side by side, as `adapted_table` shows them.

    Args:
        files: of `results/`, with commas between.
    """
    names = [file.removeprefix("adapt-").removesuffix(".json").replace("-", ", ") for file in files.split(",")]
    sides = dict(zip(names, map(whole, files.split(",")), strict=True))
    told = "R@1 in %, one seed; in bold the result, which the run chose without truth."
    made = origin(files.replace(",", "`, `"), [side[0] for side in sides.values()])
    return f"{adapted_table(sides)}\n\n{told} {made}"


def adapted_table(sides: Mapping[str, Sequence[Line]]) -> str:
    """What needs no training and what was trained: R@1 and what was judged, both ways, the share of what true pairs
    reach, and the last labels.

    Args:
        sides: the lines of each scene, by its name; the first is of the whole run.
    """
    heading = ["row"]
    for name in sides:
        before = f"{name}: " if len(sides) > 1 else ""
        heading += [f"{before}R@1", "judged", "back: R@1", "judged", "R@1 of true pairs'", "last labels", "right, %"]
    first = next(iter(sides.values()))
    free = [entry["name"] for entry in first[0]["rounds"] if entry["labels"] is None and entry["name"] != "start"]
    rows = [[name, *(cell for side in sides.values() for cell in _row(side, "full", name))] for name in free]
    for line in first:
        cells = [cell for side in sides.values() for cell in _row(side, line["row"])]
        rows.append([SHOWN.get(line["row"], f"`{line['row']}`"), *cells])
    return table(heading, rows)


def _row(side: Sequence[Line], name: str, round_name: str = "") -> list[str]:
    lines = {line["row"]: line["rounds"] for line in side}
    if name not in lines:
        return [""] * 7
    found = {entry["name"]: entry for entry in lines[name]}
    one = found[round_name] if round_name else lines[name][-1]
    best = lines["supervised"][-1]["forth_r1"] if "supervised" in lines and name != "supervised" else None
    recall = [per_cent([one[f"{way}_r1"]]) for way in WAYS]
    recall = [f"**{value}**" if one["result"] and name == "full" else value for value in recall]
    judged = ["" if one[f"{way}_judged"] is None else per_cent([one[f"{way}_judged"] / 100]) for way in WAYS]
    share = f"{one['forth_r1'] / best:.2f}" if best else ""
    used = [entry for entry in lines[name] if entry["labels"] is not None and not round_name]
    labels = [str(used[-1]["labels"]), per_cent([used[-1]["precision"]])] if used else ["", ""]
    return [recall[0], judged[0], recall[1], judged[1], share, *labels]


def adapted_words() -> str:
    """What the README says of adapters."""

    def told(file: str) -> tuple[str, str, str]:
        side = {line["row"]: line for line in whole(file)}
        ways = [next(iter(side["full"]["recall"][when].values()))["r1"] for when in ("before", "after")]
        return per_cent(ways[:1]), per_cent(ways[1:]), per_cent([side["supervised"]["rounds"][-1]["forth_r1"]])

    first, last, best = told("adapt-panorama-world1.json")
    flights = told("adapt-drone-world2.json")
    return (
        f"On an area that chose no setting R@1 rose from {first} to {last}; true pairs bring the same adapter to "
        f"{best}.\n"
        f"For drone pictures of buildings it was {flights[0]}, {flights[1]} and {flights[2]} (`docs/adapt.md`)."
    )
