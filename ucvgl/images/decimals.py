"""Numbers in lists and names that people hand in: decimal ones, as programs and people plainly write them."""

from __future__ import annotations

import re

PLAIN = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)(e-\d{1,2})?", re.ASCII | re.IGNORECASE)
"""`52.5`, `-.5` and, as programs write what is nearly 0, `4.2e-05`. Python takes `1_000`, `nan` and `١٢` as well."""


def decimal(text: str) -> float:
    """A text as a number; blanks around it are passed over.

    Raises:
        ValueError: it is written in another way.
    """
    if not PLAIN.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is no decimal number")
    return float(text)


def numbers(where: str, *texts: str) -> tuple[float, ...]:
    """Texts as numbers.

    Raises:
        ValueError: one is none; the message says where it stands.
    """
    try:
        return tuple(map(decimal, texts))
    except ValueError as error:
        raise ValueError(f"{where}: {', '.join(texts)!r} where decimal numbers were expected") from error
