"""What costs nothing: adapters that are computed and not trained, from the unlabelled descriptors of both views.

Each is an adapter like those that are trained, and a row of its own in every run: `frozen` (as it is), `centred` (each
view without its mean), `whitened` (each view on its own axes, all of equal length), `aligned` (then the queries turned
towards the references by a first set of pairs that choose each other, Procrustes), `voted` (pairs vote,
`pseudo_labels.votes`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float32

from ucvgl.networks.adapter import Adapter, adapted
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.votes import STRENGTH, chosen, vote_map, voted_labels
from ucvgl.training.frozen_features import Features

FREE = ("frozen", "centred", "whitened", "aligned", "voted")
"""Their names, the simplest first."""
SHRINKAGE = 0.1
"""Added to every eigenvalue in whitening, as a share of the largest: small axes are noise where images are few."""
MOST_NUMBERS, MOST_IMAGES = 4096, 8192
"""Of a descriptor that is whitened, and of a view whose similarities are held in memory at once for votes."""


def closed_form(features: Mapping[View, Features], *, strength: float = STRENGTH) -> dict[str, Adapter]:
    """The adapters that these descriptors allow, by name, the simplest first."""
    dimension, turns = features["query"].dimension, features["query"].turns
    rows = {"frozen": Adapter(dimension).eval(), "centred": _adapter(features)}
    if dimension > MOST_NUMBERS:
        return rows
    maps: dict[View, np.ndarray] = {view: whitening(some.covariance()) for view, some in features.items()}
    rows["whitened"] = _adapter(features, maps)
    if max(len(some) for some in features.values()) > MOST_IMAGES:
        return rows
    queries, references = (describe(rows["whitened"], features[view], view) for view in VIEWS)

    def seen(labels: Labels) -> Float32[np.ndarray, "d d"]:
        looks = zip(np.split(queries, turns, axis=1), np.split(references, turns, axis=1), strict=True)
        return np.sum([vote_map(*look, labels) for look in looks], axis=0)

    turn = rotation(seen(chosen(queries @ references.T)), strength=strength)
    turned: dict[View, np.ndarray] = {"query": maps["query"] @ turn, "reference": maps["reference"]}
    rows["aligned"] = _adapter(features, turned)
    votes = strength / 2 * seen(voted_labels(queries, references, strength=strength))
    rows["voted"] = _adapter(features, maps, {"query": votes, "reference": votes.T})
    return rows


def whitening(covariance: Float32[np.ndarray, "d d"], *, shrinkage: float = SHRINKAGE) -> Float32[np.ndarray, "d d"]:
    """The symmetric matrix that makes all axes equally long (ZCA), small ones less so."""
    value, axis = np.linalg.eigh(covariance.astype(np.float64))
    length = np.sqrt(np.maximum(value, 0) + shrinkage * value[-1])
    return ((axis / length) @ axis.T).astype(np.float32)


def rotation(seen: Float32[np.ndarray, "d d"], *, strength: float = STRENGTH) -> Float32[np.ndarray, "d d"]:
    """The orthogonal matrix nearest to the identity and what the pairs say (Procrustes, with a prior)."""
    left, _, right = np.linalg.svd(np.eye(len(seen)) + strength * seen)
    return (left @ right).astype(np.float32)


@torch.inference_mode()
def describe(adapter: Adapter, features: Features, view: View) -> Float32[np.ndarray, "n w"]:
    """All descriptors of one view by an adapter."""
    return np.concatenate([adapted(adapter, torch.from_numpy(some), view).numpy() for some in features.blocks()])


def _adapter(
    features: Mapping[View, Features],
    maps: Mapping[View, np.ndarray] | None = None,
    moves: Mapping[View, np.ndarray] | None = None,
) -> Adapter:
    adapter = Adapter(features["query"].dimension, mapped=maps is not None).eval()
    for view in VIEWS:
        getattr(adapter, f"{view}_mean").copy_(torch.from_numpy(features[view].mean()))
        for name, some in (("map", maps), ("move", moves)):
            if some is not None:
                getattr(adapter, f"{view}_{name}").copy_(torch.from_numpy(some[view]))
    return adapter
