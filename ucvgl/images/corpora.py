"""Every data set that is a pile of image files, by its name among the settings."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, cast

from ucvgl.images import cvact, cvusa, denseuav, folder, sues200, university1652, vigor
from ucvgl.images.listing import Split, find_home, subfolders
from ucvgl.images.storage import locate
from ucvgl.images.uris import is_local
from ucvgl.settings.experiment import Dataset
from ucvgl.types import Catalog
from ucvgl.world import drone_worlds

HOMES = {
    "cvusa": cvusa.HOME,
    "cvact": cvact.HOME,
    "vigor": vigor.HOME,
    "university1652": university1652.HOME,
    "sues200": sues200.HOME,
    "denseuav": denseuav.HOME,
}


def missing_root(dataset: Dataset) -> list[str]:
    """Why nothing can be read of a data set on this machine, before anything starts; empty where there is a folder."""
    if dataset.rendered or not is_local(dataset.root):
        return []
    if not os.path.isdir(path := locate(dataset.root)[1]):
        return [f"dataset.root: {dataset.root} is no folder on this machine; name the one that holds the images"]
    if not os.listdir(path):
        return [f"dataset.root: {dataset.root} is empty; name the folder that holds the images"]
    try:
        if dataset.name == "folder" and not dataset.queries:
            folder.refuse_other_layout(dataset.root)
        marks = HOMES.get(dataset.name, ())
        if marks and not subfolders(find_home(dataset.root, marks), "") & {*marks}:
            return [f"dataset.root: {dataset.root} has none of the folders of {dataset.name}: {', '.join(marks)}"]
    except ValueError as error:
        return [f"dataset.root: {error}"]
    return []


def read_catalog(dataset: Dataset, split: Split) -> Catalog:
    """The two piles of a split, and what the data set lists but does not hold.

    Raises:
        ValueError: a view is empty, or the tree is not one of this data set; says what to do.
    """
    protocol = cast(Any, dataset.chosen_protocol)  # checked with the settings
    dataset = replace(dataset, root=folder.absolute(dataset.root))  # a run goes on from any folder
    match dataset.name:
        case "folder":
            return folder.read_catalog(dataset.root, split, dataset.queries, dataset.references)
        case "cvusa":
            return cvusa.read_catalog(dataset.root, split)
        case "cvact":
            return cvact.read_catalog(dataset.root, split, protocol)
        case "vigor":
            return vigor.read_catalog(dataset.root, split, protocol)
        case "university1652":
            return university1652.read_catalog(dataset.root, split, protocol)
        case "sues200":
            return sues200.read_catalog(dataset.root, split, protocol, dataset.flight_height_m)
        case "denseuav":
            return denseuav.read_catalog(dataset.root, split, protocol)
        case "synthetic_drone":
            return university1652.read_catalog(drone_worlds.home_uri(dataset), split, protocol)
    raise ValueError(f"{dataset.name} is rendered, and no pile of files")
