"""What is known to be true about a split, whichever data set it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Rows = Mapping[str, tuple[str, ...]]
"""Reference ids by query id."""


@dataclass(frozen=True)
class GroundTruth:
    """True references by query id, and the protocol that counts them. A query that is absent has none, or none known.

    Args:
        positives: any of them is a hit.
        protocol: in words, to be printed with every number.
        spared: neither right nor wrong, for the hit rate (VIGOR's semi-positives).
        own: the query's own tile, where `positives` is wider (CVACT's 5 m rule).
        average_precision: whether the protocol asks for it (University-1652).
        positions: longitude and latitude of an image of either pool, where the protocol counts by distance (DenseUAV).
    """

    positives: Rows
    protocol: str = "one true tile"
    spared: Rows = field(default_factory=dict)
    own: Rows = field(default_factory=dict)
    average_precision: bool = False
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
