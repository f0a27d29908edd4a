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


def position(where: str, latitude: str, longitude: str) -> tuple[float, float]:
    """Two texts as degrees.

    Raises:
        ValueError: one is no number, or no place on Earth has it; the message says where it stands.
    """
    told = f"{where}: {', '.join((latitude, longitude))!r}"
    try:
        lat, lon = decimal(latitude), decimal(longitude)
    except ValueError as error:
        raise ValueError(f"{told} where decimal numbers were expected") from error
    if abs(lat) > 90 or abs(lon) > 180:
        raise ValueError(f"{told} is no place: lat lies in [-90, 90] and lon in [-180, 180]")
    return lat, lon
