"""CVACT's list: a MATLAB file of all panorama ids, and which of its rows are in which part."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped
from scipy.io import loadmat

from ucvgl.images.listing import is_file, open_bytes

LISTS = ("ACT_data.mat", "ANU_data_small/ACT_data.mat", "ANU_data_test/ACT_data.mat")
INDEX_OF = {"train": ("trainSet", "trainInd"), "validation": ("valSet", "valInd"), "test": ("valSetAll", "valInd")}
"""Struct and its field that holds the 1-based rows of `panoIds`."""


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
