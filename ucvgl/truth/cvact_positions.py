"""CVACT: training and validation by panorama id, the test set by position (the rule of its released evaluation)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from ucvgl.images.cvact import Protocol, views
from ucvgl.images.cvact_list import LISTS, find_list, panorama_ids, read_mat, rows_of
from ucvgl.images.listing import Split, Views, opaque_id
from ucvgl.truth.cvusa_pairs import same_names
from ucvgl.truth.ground_truth import GroundTruth, Rows

NEAR_M = 5.0
"""A retrieved tile at most this far from the query is right, in the test set."""


def read(root: str, split: Split, protocol: Protocol) -> GroundTruth:
    """The tiles that count as right for each panorama of a split.

    Raises:
        ValueError: the tree is not one of CVACT.
    """
    found = views(root, split, protocol)
    own = same_names(found.queries, found.references)
    part = protocol if split == "validation" else split
    mat = find_list(found.root)
    if mat is None:
        return GroundTruth(own, f"CVACT {part} without {LISTS[0]}: not the official split, one true tile")
    if part != "test":
        return GroundTruth(own, f"CVACT {part}, one true tile")
    return GroundTruth(_near(found, mat), f"CVACT test, any tile within {NEAR_M:g} m", own=own)


def _near(found: Views, mat: str) -> Rows:
    """Every tile whose UTM position is near the query's."""
    every = panorama_ids(found.root, mat)
    rows = rows_of(found.root, mat, "test", count=len(every))
    ids, utm = every[rows].tolist(), _positions(found.root, mat, rows)
    position = dict(zip(ids, utm, strict=True))
    names, tiles = list(found.queries), list(found.references)
    if not names or not tiles:
        return {}
    tree = KDTree([position[name] for name in tiles])
    near = tree.query_ball_point([position[name] for name in names], NEAR_M, return_sorted=True)
    tile_ids = [opaque_id(found.references[name]) for name in tiles]
    return {
        opaque_id(found.queries[name]): tuple(tile_ids[row] for row in rows_near)
        for name, rows_near in zip(names, near, strict=True)
        if rows_near
    }


def _positions(root: str, mat: str, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
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
