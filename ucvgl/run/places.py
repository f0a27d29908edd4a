"""Where runs lie: on this machine, and in which stores they may."""

from __future__ import annotations

import os
from pathlib import Path

from ucvgl.files.cached import folder_of
from ucvgl.files.room import CACHE
from ucvgl.images.uris import split_options

STORES = ("s3://", "gs://")
"""Where an object appears whole or not at all."""
SHARED = "UCVGL_RUNS"


def runs_folder() -> Path:
    """Where runs lie unless a path is given: `UCVGL_RUNS`, which machines of a cluster share, or `runs`."""
    return Path(os.environ.get(SHARED) or "runs")


def local_folder(uri: str) -> Path:
    """Where this machine works on a run of the store: `<bucket>/<path>` in the cache, where `UCVGL_CACHE` names one and
    no folder is shared, else among the runs."""
    if os.environ.get(CACHE) and not os.environ.get(SHARED):
        return folder_of(uri)
    return runs_folder().joinpath(*split_options(uri.partition("://")[2])[0].strip("/").split("/"))
