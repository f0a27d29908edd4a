"""Unsupervised cross-view geo-localization on Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from ucvgl.index.localizer import Localizer

__version__ = "0.1.0"


def load(run_or_index: str | os.PathLike, *, device: str = "") -> Localizer:
    """The encoders of a run, or of an index with its tiles: `ucvgl.load("area").localize("photo.jpg")`.

    See `ucvgl.index.localizer`, which is imported here and not before: torch takes seconds.
    """
    from ucvgl.index.localizer import load

    return load(run_or_index, device=device)
