"""The files of a run and their places in the store it is copied to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ucvgl.files.names import BEGUN, DONE, PARTIAL

COPIED = ".copied"
STAGE = re.compile(r"\d+_")


def as_written(present: Mapping[str, tuple[Path, tuple[int, int]]]) -> list[str]:
    """Places in the order in which their files were written; a record after all that its stage says it holds.

    A clock that was set back between must not let the record of a stage come before its files.
    """
    newest: dict[str, int] = {}
    for place, (_, (_, time_ns)) in present.items():
        stage = place.partition("/")[0]
        newest[stage] = max(time_ns, newest.get(stage, 0))

    def order(place: str) -> tuple[int, bool]:
        record = place.endswith(f"/{DONE}")
        return newest[place.partition("/")[0]] if record else present[place][1][1], record

    return sorted(present, key=order)


def copied_before(folder: Path) -> dict[str, tuple[int, int]]:
    """What this folder copied to the store: place -> size and time; nothing where nobody wrote it down."""
    try:
        known = json.loads((folder / COPIED).read_text())
        return {place: (size, time) for place, (size, time) in known.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def names_of(places: Iterable[str]) -> dict[str, str]:
    """Place in the store -> name in the folder; what is left of a stage without a record is left out."""
    places = [place for place in places if not place.startswith(".") and _is_inside(place)]
    finished = {place.split("/")[0] for place in places if place.endswith(f"/{DONE}")}
    begun = {place.split("/")[0] for place in places if place.endswith(f"/{BEGUN}")} - finished
    found = {}
    for place in places:
        stage, slash, rest = place.partition("/")
        if slash and stage in begun:
            found[place] = f"{stage}{PARTIAL}/{rest}"
        elif not (slash and STAGE.match(stage)) or (stage in finished and rest != BEGUN):
            found[place] = place
    return found


def _is_inside(place: str) -> bool:
    """Whether a place leads to a file in the folder: a key of a store may be any text, as `../../x`."""
    return not {"", ".", ".."} & set(place.split("/"))
