"""Where runs lie: on this machine, and in which stores they may."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ucvgl.files.cached import attach, detach, folder_of
from ucvgl.files.names import BEGUN, BULK, DONE
from ucvgl.files.room import CACHE
from ucvgl.files.tree import Tree
from ucvgl.images.folder import absolute
from ucvgl.images.storage import copy_in, list_files
from ucvgl.images.uris import join, split_options
from ucvgl.run.copied import names_of
from ucvgl.settings.dotted import dotted, with_changes
from ucvgl.settings.experiment import Experiment

STORES = ("s3://", "gs://", "abfs://", "abfss://")
"""Where an object appears whole or not at all."""
SHARED = "UCVGL_RUNS"
KEPT = ("model.checkpoint", "supervision.start", "adaptation.source")
"""Settings that name a file or a folder of this machine, beside the images' root, which the catalog remembers."""
UNPACKED = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set where Ray has unpacked a job, so that its folder is another one each time."""


def lasting(experiment: Experiment) -> Experiment:
    """The same with paths from the root on: a run goes on from any folder."""
    if UNPACKED in os.environ:
        return experiment
    named = {name: value for name, value in dotted(experiment).items() if name in KEPT and value}
    return with_changes(experiment, {name: absolute(value) for name, value in named.items()})[0]


def same_place(name: str, before: Any, now: Any, root: Any) -> bool:
    """Whether a setting names a place in other words: relative before, from the root on now.

    Args:
        root: where the images lay when they were listed.
    """
    if name == "dataset.root":
        return isinstance(now, str) and root == absolute(now)
    kept = {*KEPT, "network.checkpoint"}  # as `ucvgl.methods.plan.adapt` calls it
    return name in kept and isinstance(before, str) and bool(before) and absolute(before) == now


def another_root(listed: Any, named: Any) -> bool:
    """Whether a relative root names other images here than those that were listed; both are there.

    Args:
        listed: where the images lay when they were listed.
        named: the root as it is given.
    """
    if UNPACKED in os.environ or not (isinstance(listed, str) and isinstance(named, str)) or os.path.isabs(named):
        return False
    return os.path.isdir(listed) and os.path.isdir(named) and not os.path.samefile(listed, named)


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
