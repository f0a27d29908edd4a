"""A list that somebody wrote as a CSV file: its columns, or what is wrong with it and how to write it."""

from __future__ import annotations

import csv
from io import StringIO

from ucvgl.images.listing import address, text_of


def csv_columns(root: str, path: str, *columns: str) -> list[tuple[str, ...]]:
    """What the rows of a CSV file hold in some of its columns, as text.

    Raises:
        ValueError: it is none, or does not have each of the columns once.
    """
    where = address(root, path)
    try:
        rows = list(csv.reader(StringIO(text_of(where), newline=None)))
    except csv.Error as error:
        found = f"{where} is no CSV file ({error})"
        raise ValueError(f"{found}; a quotation mark may be open, write each row in a line of its own") from error
    filled = [(number, row) for number, row in enumerate(rows, 1) if row]
    names = [name.strip() for name in filled[0][1]] if filled else []
    first = f"its first line should be: {','.join(columns)}"
    if missing := [name for name in columns if name not in names]:
        raise ValueError(f"{where} lacks the columns {missing}{_separated(names, columns)}; {first}")
    if twice := [name for name in columns if names.count(name) > 1]:
        raise ValueError(f"{where} has the columns {twice} twice; {first}")
    if odd := next((one for one in filled if len(one[1]) != len(names)), None):
        raise ValueError(f"{where}, row {odd[0]}: {len(odd[1])} columns where the first line has {len(names)}")
    return [tuple(row[names.index(name)] for name in columns) for _, row in filled[1:]]


def _separated(names: list[str], columns: tuple[str, ...]) -> str:
    """Why columns may not be found that are there."""
    if {name.lower() for name in names} >= set(columns):
        return f" in small letters (it has {names})"
    marks = {";": "semicolons", "\t": "tabulators", "|": "strokes"}
    found = [word for mark, word in marks.items() if len(names) == 1 and mark in names[0]]
    return f", as {found[0]} stand where commas should" if found else ""
