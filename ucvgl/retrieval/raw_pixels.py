"""How far one gets without learning: correlating bird's-eye views with tiles, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.poses.structure import SHRINKAGE, describe
from ucvgl.pseudo_labels.whitening import whitening

SIDE = 64
SEARCH_SIDE = 32
SHIFTS = (-2, -1, 0, 1, 2)
ROTATIONS_DEG = (-6.0, -3.0, 0.0, 3.0, 6.0)


def raw_recall(
    bevs: UInt8[np.ndarray, "n h w 3"],
    tiles: UInt8[np.ndarray, "m h w 3"],
    truth_index: Int[np.ndarray, "n *p"],
) -> dict[str, float]:
    """R@1 (0 to 1) of correlation at 64 by 64 pixels: what any trained result has to be compared with.

    `colour` and `edges` compare as is; `colour_search, edges_search` keep the best of 125 small shifts and
    rotations of the bird's-eye view, at 32 by 32 pixels. `structure` compares where edges are and which way they run,
    whitened by the spread of each view (`ucvgl.poses.structure`): nothing is trained, but the pool is seen whole.
    A query whose truth is -1 has no tile and is not counted; of several true tiles any is a hit. Ties count against
    the method.
    """
    sides = [describe(np.stack([_shrunk(image, SIDE) for image in view])) for view in (bevs, tiles)]
    structure = [whitening(side, shrinkage=SHRINKAGE, gaps=True)(side) if len(side) > 1 else side for side in sides]
    recall = {"structure": recall_at_1(structure[0] @ structure[1].T, truth_index)}
    for name, features in (("colour", colour_features), ("edges", edge_features)):
        reference = [features(_shrunk(tile, SIDE)) for tile in tiles]
        query = [features(_shrunk(bev, SIDE)) for bev in bevs]
        recall[name] = recall_at_1(_unit(query) @ _unit(reference).T, truth_index)
        query, reference = ([_shrunk(image, SEARCH_SIDE) for image in view] for view in (query, reference))
        columns = _unit(reference).T
        best = np.full((len(bevs), len(tiles)), -np.inf, np.float32)
        for moved in _moves(query):
            np.maximum(best, _unit(moved) @ columns, out=best)
        recall[f"{name}_search"] = recall_at_1(best, truth_index)
    return recall


def recall_at_1(score: Float[np.ndarray, "n m"], truth_index: Int[np.ndarray, "n *p"]) -> float:
    """Share of queries whose best true reference scores higher than every wrong one."""
    truth = truth_index.reshape(len(truth_index), -1)
    counted = np.flatnonzero((truth >= 0).any(axis=1))
    wrong, truth = score[counted], truth[counted]
    true = np.where(truth >= 0, np.take_along_axis(wrong, truth, axis=1), -np.inf).max(axis=1)
    row, column = np.nonzero(truth >= 0)
    wrong[row, truth[row, column]] = -np.inf
    return float((wrong.max(axis=1) < true).mean())


def shrink(images: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n s s 3"]:
    """Images at the size that `raw_recall` looks at them with, to be held in numbers."""
    return np.stack([_shrunk(image, SIDE) for image in images])


def colour_features(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Each channel with mean 0 and deviation 1, so that exposure and white balance do not matter."""
    colour = image.astype(np.float32)
    return (colour - colour.mean((0, 1))) / (colour.std((0, 1)) + 1e-3)


def edge_features(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 1"]:
    """Strength of the brightness gradient, mean 0 and deviation 1."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    strength = cv2.GaussianBlur(strength, (0, 0), 1)
    return ((strength - strength.mean()) / (strength.std() + 1e-3))[..., None]


def _moves(features: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """All images turned and shifted alike; what comes in from outside is 0, the mean."""
    for degrees in ROTATIONS_DEG:
        for down in SHIFTS:
            for right in SHIFTS:
                middle = ((SEARCH_SIDE - 1) / 2, (SEARCH_SIDE - 1) / 2)
                matrix = cv2.getRotationMatrix2D(middle, degrees, 1)
                matrix[:, 2] += (right, down)
                yield [cv2.warpAffine(image, matrix, (SEARCH_SIDE, SEARCH_SIDE)) for image in features]


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def _unit(features: Sequence[np.ndarray]) -> Float[np.ndarray, "n d"]:
    flat = np.stack([image.ravel() for image in features])
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
