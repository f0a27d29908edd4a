"""Which places are hard to tell apart: the nearest on the globe, or the most similar to the encoders (Sample4Geo)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree


def nearest_places(
    lat_deg: Float[np.ndarray, " n"], lon_deg: Float[np.ndarray, " n"], k: int
) -> Int[np.ndarray, "n k"]:
    """The k nearest other places of each place by great-circle distance, nearest first, padded with -1.

    A place whose position is not known (NaN) has none, and is nobody's. Straight lines through the globe order places
    as the great circles above them do, across the date line and at the poles.
    """
    known = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg))
    nearest = np.full((len(lat_deg), k), -1)
    if len(known) < 2:
        return nearest
    lat, lon = np.radians(lat_deg[known]), np.radians(lon_deg[known])
    places = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    count = min(k + 1, len(known))
    _, found = KDTree(places).query(places, count)
    nearest[known, : count - 1] = without(known[found], known[:, None], count - 1)
    return nearest


def without(
    candidates: Int[np.ndarray, "n c"], unwanted: Int[np.ndarray, "n u"], k: int
) -> Int[np.ndarray, "n k"]:
    """The first k candidates of each row that are not unwanted in that row, in order, padded with -1."""
    refused = (candidates[:, :, None] == unwanted[:, None, :]).any(axis=2) | (candidates < 0)
    order = np.argsort(refused, axis=1, kind="stable")[:, :k]
    kept = np.where(np.take_along_axis(refused, order, 1), -1, np.take_along_axis(candidates, order, 1))
    return np.pad(kept, ((0, 0), (0, k - kept.shape[1])), constant_values=-1)
