"""Real panoramas and tiles for `real.py`: raw pixels, frozen networks, a trained run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from real_sources import NETWORKS, SIZE, Absent, described, network, parts, stored

from ucvgl.images.corpora import read_catalog
from ucvgl.images.decode import decode, resize
from ucvgl.images.storage import read
from ucvgl.networks.towers import VIEWS, View
from ucvgl.projection.birdseye import from_above
from ucvgl.retrieval.raw_pixels import raw_recall
from ucvgl.retrieval.recall import ranks
from ucvgl.settings.experiment import Dataset, Projection
from ucvgl.training.closed_form import closed_form, describe
from ucvgl.truth.door import read_truth, true_rows


def panoramas(root: Path, run: str | None, wheels: Path | None, cache: Path) -> str:
    """Recall on a folder of `panorama/`, `satellite/` and `truth.csv`, one line for each of what was tried."""
    if not (root / "truth.csv").exists():
        raise Absent(f"{root} has no truth.csv (query,reference): put the pairs that are known there")
    dataset = Dataset(name="folder", root=str(root))
    catalog, truth = read_catalog(dataset, "validation"), read_truth(dataset, "validation")
    assert truth is not None
    ids = [np.array(table["id"].to_pylist()) for table in (catalog.queries, catalog.references)]
    true = true_rows(truth, ids[0], ids[1])
    pools = (catalog.queries, catalog.references)
    photos, tiles = ([decode(read(uri), uri) for uri in table["uri"].to_pylist()] for table in pools)
    views: dict[View, np.ndarray] = {
        "query": np.stack([from_above(Projection(), photo, SIZE) for photo in photos]),
        "reference": np.stack([resize(tile, SIZE, SIZE) for tile in tiles]),
    }
    pairs = int(np.sum(true >= 0))
    lines = [f"{len(photos)} panoramas, {len(tiles)} tiles, {pairs} known pairs; chance {100 / len(tiles):.1f}"]
    lines += [f"raw pixels, {name}: R@1 {100 * found:.1f}" for name, found in raw_recall(*views.values(), true).items()]
    for name in NETWORKS if wheels else ():
        frozen = network(name, wheels, cache)
        seen = {view: described(frozen, images) for view, images in views.items()}
        lines += [f"{name}, {row}: R@1 {100 * found:.1f}" for row, found in _rows(seen, parts(name), true).items()]
    if run:
        from ucvgl.commands.evaluate import evaluate

        lines.append(evaluate(run, "folder", str(root)))
    return "\n".join(lines)


def _rows(vectors: Mapping[View, np.ndarray], widths: tuple[int, ...], true: np.ndarray) -> dict[str, float]:
    """R@1 of what needs no training, made from the pool itself: all of it is seen, no pair of it is told."""
    asked = true >= 0
    with tempfile.TemporaryDirectory() as folder:
        pools = {view: stored(Path(folder) / f"{view}.npy", some) for view, some in vectors.items()}
        rows = closed_form(pools, parts=widths)
        sides = {name: [describe(adapter, pools[view], view) for view in VIEWS] for name, adapter in rows.items()}
    return {
        name: float(np.mean(ranks(queries[asked], references, true[asked, None]) == 0))
        for name, (queries, references) in sides.items()
    }
