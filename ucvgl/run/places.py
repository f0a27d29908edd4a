"""Where runs lie: on this machine, and in which stores they may."""

from __future__ import annotations

import os
from pathlib import Path

from ucvgl.files.cached import attach, detach, folder_of
from ucvgl.files.names import BEGUN, BULK, DONE
from ucvgl.files.room import CACHE
from ucvgl.files.tree import Tree
from ucvgl.images.storage import copy_in, list_files
from ucvgl.images.uris import join, split_options
from ucvgl.run.copied import names_of

STORES = ("s3://", "gs://", "abfs://", "abfss://")
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


def on_this_machine(where: str, *, flag: str) -> Path:
    """Where to write what goes to no store.

    Raises:
        ValueError: it is a URI, which as a path would be a folder of that name.
    """
    if "://" in where:
        raise ValueError(f"{flag} {where}: this is written on this machine; name a folder here, and copy it from there")
    return Path(where)


def folder_to_read(where: Path | str) -> Path:
    """The folder of a run. Where that lies in a store it appears in the cache: small files now, others when opened.

    Raises:
        ValueError: nothing lies there.
        StorageError: the store cannot be used.
    """
    if not str(where).startswith(STORES):
        return Path(where)
    uri = str(where).rstrip("/")
    try:
        folder, names = folder_of(uri), names_of(list_files(uri))
    except FileNotFoundError:
        raise ValueError(f"{where} holds no run: nothing lies there") from None
    tree = Tree(folder, uri, own=False)
    detach(tree)  # what comes now goes nowhere
    records = {place for place in names if "/" not in place or place.endswith((f"/{DONE}", f"/{BEGUN}"))}
    for place in records:
        copy_in(join(uri, place), folder / names[place])
    attach(tree)
    for place in names.keys() - records:
        path = folder / names[place]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not place.endswith(BULK):
            tree.bring(path)
    return folder
