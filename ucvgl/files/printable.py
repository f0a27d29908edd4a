"""Texts for a terminal: names that others gave may hold what clears it, recolours it or forges a line."""

from __future__ import annotations

import json
import re
from typing import Any

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, other ends of lines, and what turns the direction of writing."""


def printable(text: str) -> str:
    """A text of one line with every control character written out, as `\\x1b`."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, with tabs."""
    return CONTROLS.sub(lambda found: found[0] if found[0] in "\n\t" else printable(found[0]), text)


def json_for_terminals(value: Any, *, indent: int | None = None) -> str:
    """JSON in the letters of its texts, but for those that would change what a terminal shows."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return CONTROLS.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
