"""What costs nothing: adapters that are computed and not trained, from the unlabelled descriptors of both views.

Each is an adapter like those that are trained, and a row of its own in every run: `frozen` (as it is), `centred` (each
view without its mean), `whitened` (each view on its own axes, all of equal length), `aligned` (then the queries turned
towards the references by a first set of pairs that choose each other, Procrustes), `fair` (whitened, and hubs set
back), `voted` (pairs vote, `pseudo_labels.votes`, and hubs set back).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32

from ucvgl.networks.adapter import Adapter, adapted
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.fair_choice import chosen
from ucvgl.pseudo_labels.votes import MOVED, vote_map, voted_labels
from ucvgl.retrieval.topk import Searcher, two_sided_topk
from ucvgl.training.frozen_features import Features

FREE = ("frozen", "centred", "whitened", "aligned", "fair", "voted")
"""Their names, the simplest first."""
ALIGNED = 40.0
"""What the pairs of a rotation count against staying as it is."""
SHRINKAGE = 0.1
"""Added to every eigenvalue in whitening, as a share of the largest: small axes are noise where images are few."""
MOST_NUMBERS, MOST_PAIRS = 4096, 8192 * 8192
"""Of a descriptor that is whitened, and of a query and a reference, whose similarities are in memory at once for votes.
"""
BANK = 2048
"""Of a view's training images, that tell which descriptors of the other view are hubs."""


def closed_form(
    features: Mapping[View, Features],
    *,
    parts: Sequence[int] = (),
    shared: int = 1,
    neighbours: int = 0,
    search: Searcher = two_sided_topk,
) -> dict[str, Adapter]:
    """The adapters that these descriptors allow, by name, the simplest first.

    Args:
        parts: numbers in each part of a descriptor that is made of several, each whitened on its own.
        shared: queries that may share a reference, as in `voted_labels`, like `neighbours` and `search`.
    """
    dimension, turns = features["query"].dimension, features["query"].turns
    rows = {"frozen": Adapter(dimension).eval(), "centred": _adapter(features)}
    if dimension > MOST_NUMBERS:
        return rows
    maps: dict[View, np.ndarray] = {
        view: whitening_of_parts(some.covariance(), parts or (dimension,)) for view, some in features.items()
    }
    rows["whitened"] = _adapter(features, maps)
    if math.prod(len(some) for some in features.values()) > MOST_PAIRS:
        return rows | {"fair": fair(rows["whitened"], features)}
    queries, references = (describe(rows["whitened"], features[view], view) for view in VIEWS)

    def seen(labels: Labels) -> Float32[np.ndarray, "d d"]:
        looks = zip(np.split(queries, turns, axis=1), np.split(references, turns, axis=1), strict=True)
        return np.sum([vote_map(*look, labels) for look in looks], axis=0)

    first = chosen(queries @ references.T)
    labelled = np.concatenate((queries[first.query], references[first.reference])).reshape(-1, dimension)
    turn = rotation(seen(first), labelled)
    turned: dict[View, np.ndarray] = {"query": maps["query"] @ turn, "reference": maps["reference"]}
    rows["aligned"] = _adapter(features, turned)
    rows["fair"] = fair(rows["whitened"], features)
    labels, strength = voted_labels(queries, references, shared=shared, neighbours=neighbours, search=search)
    votes = MOVED * strength / 2 * seen(labels)
    rows["voted"] = fair(_adapter(features, maps, {"query": votes, "reference": votes.T}), features)
    return rows


def fair(adapter: Adapter, features: Mapping[View, Features]) -> Adapter:
    """The same adapter that sets hubs back: what is near to all images of the other view (`Adapter.set_back`)."""
    banks = {view: describe(adapter, some.only(_spread(len(some))), view) for view, some in features.items()}
    sizes = (len(banks["query"]), *banks["reference"].shape)
    how = {"residual": adapter.residual, "mapped": adapter.mapped}
    told = Adapter(adapter.dimension, adapter.width, **how, banks=sizes).eval()
    state = {f"{view}_bank": torch.from_numpy(bank) for view, bank in banks.items()}
    told.load_state_dict(adapter.state_dict() | state)
    return told


def whitening_of_parts(
    covariance: Float32[np.ndarray, "d d"], parts: Sequence[int], *, shrinkage: float = SHRINKAGE
) -> Float32[np.ndarray, "d d"]:
    """The whitening of every part by itself, after which each has as much variance as any other."""
    matrix, start = np.zeros_like(covariance), 0
    for width in parts:
        own = slice(start, start + width)
        one = whitening(covariance[own, own], shrinkage=shrinkage)
        matrix[own, own] = one / np.sqrt(max(np.trace(one @ covariance[own, own] @ one), 1e-12))
        start += width
    return matrix


def whitening(covariance: Float32[np.ndarray, "d d"], *, shrinkage: float = SHRINKAGE) -> Float32[np.ndarray, "d d"]:
    """The symmetric matrix that makes all axes equally long (ZCA), small ones less so."""
    value, axis = np.linalg.eigh(covariance.astype(np.float64))
    length = np.sqrt(np.maximum(value, 0) + shrinkage * value[-1])
    return ((axis / length) @ axis.T).astype(np.float32)


def rotation(
    seen: Float32[np.ndarray, "d d"], labelled: Float32[np.ndarray, "n d"], *, strength: float = ALIGNED
) -> Float32[np.ndarray, "d d"]:
    """The orthogonal matrix nearest to the identity and what the pairs say (Procrustes, with a prior).

    Args:
        labelled: the descriptors that the pairs are made of; what is at right angles to all of them does not turn.
    """
    basis = np.linalg.qr(labelled.T)[0] if len(labelled) < len(seen) else np.eye(len(seen), dtype=np.float32)
    inside = np.eye(basis.shape[1])
    left, _, right = np.linalg.svd(inside + strength * basis.T @ seen @ basis)
    return (np.eye(len(seen)) + basis @ (left @ right - inside) @ basis.T).astype(np.float32)


def _spread(count: int) -> np.ndarray:
    """Rows of so many, evenly spread, at most `BANK`."""
    return np.unique(np.linspace(0, count - 1, min(count, BANK)).astype(int))


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
