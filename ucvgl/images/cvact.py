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
from jaxtyping import Float, Int, Shaped
from scipy.io import loadmat

from ucvgl.images.listing import Split, Views, by_name, find_home, images_in, is_file, open_bytes, present
from ucvgl.types import Catalog

Protocol = Literal["validation", "test"]
SMALL, TEST = "ANU_data_small", "ANU_data_test"
LISTS = ("ACT_data.mat", f"{SMALL}/ACT_data.mat", f"{TEST}/ACT_data.mat")
INDEX_OF = {"train": ("trainSet", "trainInd"), "validation": ("valSet", "valInd"), "test": ("valSetAll", "valInd")}
"""Struct and its field that holds the 1-based rows of `panoIds`."""
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


def find_list(root: str) -> str | None:
    """Where `ACT_data.mat` lies below the root."""
    return next((path for path in LISTS if is_file(root, path)), None)


def panorama_ids(root: str, mat: str) -> Shaped[np.ndarray, " n"]:
    """Every panorama id, in the order that the splits' rows refer to."""
    ids = read_mat(root, mat, "panoIds")["panoIds"]
    return np.array([str(np.squeeze(identity)).strip() for identity in np.ravel(ids)])


def rows_of(root: str, mat: str, part: str, *, count: int) -> Int[np.ndarray, " n"]:
    """Rows of a part (train, validation, test) among the panorama ids, from 0.

    Args:
        root: of the data set.
        mat: the MATLAB file below it.
        part: which of the three.
        count: how many ids there are.

    Raises:
        ValueError: the file does not hold whole numbers from 1 to that.
    """
    struct, field = INDEX_OF[part]
    sets = read_mat(root, mat, struct)[struct]
    names = sets.dtype.names or ()
    index = np.ravel(sets[0, 0][field if field in names else names[1]]) if sets.size and len(names) > 1 else np.empty(0)
    plain = index.dtype.kind in "iuf" and len(index) > 0
    if not plain or not ((index >= 1) & (index <= count) & (index == np.floor(index))).all():
        raise ValueError(
            f"{root}/{mat}: {struct} does not hold rows of panoIds, whole numbers from 1 to {count}; fetch it again"
        )
    return index.astype(int) - 1


def positions(root: str, mat: str, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """UTM coordinates of some panoramas.

    Raises:
        ValueError: the file does not hold such for each of them, or the same for all.
    """
    utm = read_mat(root, mat, "utm")["utm"]
    if utm.dtype.kind in "iuf" and utm.ndim == 2 and utm.shape[1] == 2 and len(utm) > rows.max():
        found = utm[rows].astype(np.float64)
        if np.isfinite(found).all() and (len(found) == 1 or (found != found[0]).any()):
            return found
    raise ValueError(f"{root}/{mat}: utm does not hold two coordinates for each of panoIds; fetch it again")


def read_mat(root: str, mat: str, *names: str) -> dict:
    """Some variables of a MATLAB file.

    Raises:
        ValueError: it is broken or lacks them.
    """
    try:
        content = loadmat(open_bytes(root, mat), variable_names=list(names))
    except Exception as error:  # scipy raises many kinds of errors on bytes it does not expect
        raise ValueError(f"{root}/{mat} is not a MATLAB file that can be read ({error}); fetch it again") from error
    absent = [name for name in names if name not in content]
    if absent:
        raise ValueError(f"{root}/{mat} lacks {' and '.join(absent)}; it is not the list of CVACT, fetch it again")
    return content
