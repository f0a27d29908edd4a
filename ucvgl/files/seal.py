"""A seal: the digest of a text, kept in it, so that what was changed by accident is not taken for what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"
FIRST_LINE = f"# {SEAL}: "
LAST_LINE = "\n<!-- " + SEAL + " of ucvgl: {} -->\n"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same content with its seal, as JSON will hold it."""
    return {**content, SEAL: _digest(content)}


def unsealed(content: Mapping[str, Any], *, optional: bool = True) -> tuple[dict[str, Any], bool]:
    """The content without its seal, and whether that fits.

    Args:
        optional: whether a content may be without a seal, as those of older versions are.
    """
    rest = {name: value for name, value in content.items() if name != SEAL}
    return rest, _digest(rest) == content[SEAL] if SEAL in content else optional


def sealed_lines(text: str) -> str:
    """A text with its seal as a comment in front."""
    return f"{FIRST_LINE}{_short(text.encode())}\n{text}"


def lines_fit(text: str) -> bool:
    """Whether a text fits the seal in front; one without a seal, as of older versions, fits unless it is empty."""
    first, _, rest = text.partition("\n")
    return first == f"{FIRST_LINE}{_short(rest.encode())}" if first.startswith(FIRST_LINE) else bool(text.strip())


def sealed_markdown(text: str) -> str:
    """A Markdown text with its seal as a comment behind, which is not shown."""
    return f"{text}{LAST_LINE.format(_short(text.encode()))}"


def markdown_fits(text: str) -> bool:
    """Whether a Markdown text is what `sealed_markdown` made."""
    rest = text.rpartition(LAST_LINE.partition("{")[0])[0]
    return text == sealed_markdown(rest)


def _digest(content: Mapping[str, Any]) -> str:
    return _short(json.dumps(content, sort_keys=True, default=str).encode())


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
