"""Which images are trained against which, in every stage that contrasts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ucvgl.config import Experiment
from ucvgl.contrast.batches import Pairs
from ucvgl.data.image_store import ImageStore
from ucvgl.model.towers import View


def intra_view_pairs(projected: Path, translated: Path, experiment: Experiment) -> list[Pairs]:
    """Every image with itself: panoramas, tiles and, for the tile encoder, fakes."""
    train = projected / "train"
    views: list[tuple[str, View, Path]] = [
        ("panorama", "query", train / "queries"),
        ("tile", "reference", train / "references"),
        ("fake", "reference", fake_store(projected, translated, experiment)),
    ]
    smoothing = experiment.cold_start.intra_label_smoothing
    return [_same_rows(f"intra_{name}", (view, view), (store, store), smoothing) for name, view, store in views]


def fake_pairs(projected: Path, translated: Path, experiment: Experiment) -> list[Pairs]:
    """Every panorama with its own fake."""
    stores = (projected / "train" / "queries", fake_store(projected, translated, experiment))
    smoothing = experiment.cold_start.cross_label_smoothing
    return [_same_rows("fake", ("query", "reference"), stores, smoothing)]


def fake_store(projected: Path, translated: Path, experiment: Experiment) -> Path:
    """The fake tiles; without translation the bird's-eye views stand in for them."""
    return translated / "fake" if experiment.translation.fake else projected / "train" / "bev"


def _same_rows(name: str, views: tuple[View, View], stores: tuple[Path, Path], label_smoothing: float) -> Pairs:
    rows = np.arange(len(ImageStore(stores[0])))
    return Pairs(name, views, stores, rows, rows, label_smoothing)
