"""Texts for a terminal: names that others gave may hold what clears it, recolours it or forges a line."""

from __future__ import annotations

import json
import os
import re
from typing import Any

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, other ends of lines, and what turns the direction of writing."""

LONG_LINE = re.compile(r"(.{2000})(.{1000,})(.{1000})")


def odd_name(name: str) -> str:
    """Why nothing should be made under a name that a command line gives; empty where it may."""
    if CONTROLS.search(name):
        return f"{ascii(name)} holds a control character, which would change what a terminal shows; choose another"
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        return f"{ascii(name)} is not UTF-8; choose another"
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:[/\\](?!/)", name):
        return f"{name} is no URI, and as a folder it would be odd; write scheme://, or ./ in front of a folder"
    if os.path.expanduser(name) != name:
        return f"{name} was left as it is by the shell and would be a folder `~`; write {os.path.expanduser(name)}"
    return ""


def printable(text: str) -> str:
    """A text of one line with every control character written out, as `\\x1b`."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, with tabs."""
    return CONTROLS.sub(lambda found: found[0] if found[0] in "\n\t" else printable(found[0]), text)


def shortened(text: str) -> str:
    """The same with the middle of lines left out that nobody would read: a name may have 100,000 letters."""
    return LONG_LINE.sub(lambda found: f"{found[1]} … ({len(found[2]):,} letters) … {found[3]}", text)


def json_for_terminals(value: Any, *, indent: int | None = None) -> str:
    """JSON in the letters of its texts, but for those that would change what a terminal shows."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return CONTROLS.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
