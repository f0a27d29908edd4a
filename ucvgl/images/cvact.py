"""CVACT (Liu and Li, CVPR 2019): 35,532 training, 8,884 validation and 92,802 test places in Canberra.

    <root>/ACT_data.mat                                           panoIds, utm, trainSet, valSet, valSetAll
    <root>/ANU_data_small/streetview/<panoId>_grdView.jpg         1664 x 832, the full sphere
    <root>/ANU_data_small/satview_polish/<panoId>_satView_polish.jpg    1200 x 1200
    <root>/ANU_data_test/...                                      the same, for the test set

The folders `streetview` and `satview_polish` may also lie in the root. Without `ACT_data.mat` the splits are unknown:
everything but `ANU_data_test` is in both splits, and that folder is the test set.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ucvgl.images.cvact_list import LISTS, find_list, panorama_ids, rows_of
from ucvgl.images.listing import Split, Views, by_name, find_home, images_in, present
from ucvgl.types import Catalog

Protocol = Literal["validation", "test"]
SMALL, TEST = "ANU_data_small", "ANU_data_test"
VIEWS = (("streetview", "_grdView"), ("satview_polish", "_satView_polish"))
HOME = (SMALL, TEST, *(folder for folder, _ in VIEWS))
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split, protocol: Protocol) -> Catalog:
    """The two piles of a split; the validation split is the data set's validation or test set, by protocol."""
    return views(root, split, protocol).catalog("cvact")


def views(root: str, split: Split, protocol: Protocol) -> Views:
    """The images of a split by panorama id."""
    root = find_home(root, HOME)
    part = protocol if split == "validation" else split
    mat = find_list(root)
    homes = [f"{TEST}/", f"{SMALL}/", ""] if part == "test" else [f"{SMALL}/", "", f"{TEST}/"]
    there = homes if mat else homes[:1] if part == "test" else homes[:2]
    ids = panorama_ids(root, mat) if mat else np.empty(0, str)
    listed = ids[rows_of(root, mat, part, count=len(ids))].tolist() if mat else None
    known = set(ids.tolist())
    found, missing, unlisted = [], [] if mat else [LISTS[0]], []
    for folder, ending in VIEWS:
        paths = by_name(images_in(root, *(f"{home}{folder}" for home in there)))
        path_of = {name.removesuffix(ending): path for name, path in paths.items()}
        kept, absent = present(path_of if listed is None else listed, path_of, f"{homes[0]}{folder}/{{}}{ending}.jpg")
        found.append(kept)
        missing += absent
        unlisted += [path for name, path in path_of.items() if name not in known] if mat else []
    return Views(root, found[0], found[1], tuple(missing), tuple(unlisted))
