"""Which images are trained against which, in every stage that contrasts them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import View
from ucvgl.run import columns
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.training.batches import Pairs

ABOVE = "above"
"""Name of the pairs of fake and tile, both as seen from above."""


def intra_view_pairs(projected: Path, translated: Path | None, experiment: Experiment) -> list[Pairs]:
    """Every image with itself: panoramas, tiles and, for the tile encoder, fakes where there are any."""
    train = projected / "train"
    views: list[tuple[str, View, Path]] = [
        ("panorama", "query", train / "queries"),
        ("tile", "reference", train / "references"),
    ]
    if translated is not None:
        views.append(("fake", "reference", fake_store(projected, translated, experiment)))
    smoothing = experiment.cold_start.intra_label_smoothing
    found = [_same_rows(f"intra_{name}", (view, view), (store, store), smoothing) for name, view, store in views]
    return [*found, *part_pairs(projected, experiment)]


def part_pairs(projected: Path, experiment: Experiment) -> list[Pairs]:
    """Where photos show a part of the ground, every tile with the part of it that one of them would show."""
    train = projected / "train"
    if experiment.dataset.camera != "photo" or not experiment.projection.bev:
        return []
    stores, smoothing = (train / "references", train / "references"), experiment.cold_start.intra_label_smoothing
    return [replace(_same_rows("part", ("reference", "reference"), stores, smoothing), through=train / "bev")]


def fake_pairs(projected: Path, translated: Path, experiment: Experiment) -> Pairs:
    """Every panorama with its own fake."""
    stores = (projected / "train" / "queries", fake_store(projected, translated, experiment))
    smoothing = experiment.cold_start.cross_label_smoothing
    return _same_rows("fake", ("query", "reference"), stores, smoothing)


def fake_store(projected: Path, translated: Path, experiment: Experiment) -> Path:
    """The fake tiles; without translation the bird's-eye views stand in for them."""
    return translated / "fake" if experiment.translation.fake else projected / "train" / "bev"


def _same_rows(name: str, views: tuple[View, View], stores: tuple[Path, Path], label_smoothing: float) -> Pairs:
    first, second = (ImageStore(store) for store in stores)
    if not np.array_equal(first.ids, second.ids):
        raise ValueError(
            f"{first.folder} holds {len(first)} images and {second.folder} {len(second)}, and they are not of the same "
            "places row by row: shards are missing, or of another run; make the later stage anew with --redo"
        )
    return Pairs(name, views, stores, np.arange(len(first)), np.arange(len(first)), label_smoothing)


def known_pairs(labels: Path, train: Path, experiment: Experiment) -> Pairs:
    """The true pairs that a job was told, without those whose images were rejected.

    Raises:
        ValueError: fewer than two are left, so that no pair has a negative.
    """
    queries, references = ImageStore(train / "queries"), ImageStore(train / "references")
    row_of_query, row_of_reference = (
        {identity: row for row, identity in enumerate(store.ids.tolist())} for store in (queries, references)
    )
    rows = [
        (row_of_query[told["query_id"]], row_of_reference[told["reference_id"]], told["spared"])
        for told in read_table(labels / "pairs.parquet", columns.KNOWN).to_pylist()
        if told["query_id"] in row_of_query and told["reference_id"] in row_of_reference
    ]
    if len(rows) < 2:
        raise ValueError(f"{len(rows)} true pairs can be used, which is too few; raise supervision.label_fraction")
    query, reference, near = zip(*rows, strict=True)
    spared = [[row_of_reference[tile] for tile in tiles if tile in row_of_reference] for tiles in near]
    width = max(map(len, spared))
    return Pairs(
        "known",
        ("query", "reference"),
        (queries.folder, references.folder),
        np.array(query),
        np.array(reference),
        experiment.curriculum.label_smoothing,
        spared=np.array([[*tiles, *[-1] * (width - len(tiles))] for tiles in spared], int) if width else None,
    )


def with_fakes(pairs: Pairs, fakes: Path, smoothing: float, index: int, settings: Curriculum) -> list[Pairs]:
    """Pairs of panorama and tile, and each panorama's fake contrasted with both.

    Where panoramas join later (`curriculum.panoramas_after`) fake and tile are a pair of their own, both seen by the
    tile encoder: alone before, and beside the panorama afterwards.

    Args:
        fakes: the store of the fakes, row by row as the panoramas.
        smoothing: of the labels between panorama and fake.
        index: of the round, from 0.
    """
    together = replace(pairs, fakes=fakes, fake_label_smoothing=smoothing)
    if not settings.panoramas_later:
        return [together]
    above = replace(pairs, name=ABOVE, views=("reference", "reference"), stores=(fakes, pairs.stores[1]))
    return [above] if index < settings.rounds_without_panoramas else [above, together]


def repeated(pairs: Pairs, copies: int) -> Pairs:
    """The pairs so many times over; no two copies meet in a batch."""
    rows = np.tile(np.arange(len(pairs)), copies)
    arrays = ("query", "reference", "weight", "labelled", "spared", "neighbours")
    values = {name: getattr(pairs, name) for name in arrays}
    return replace(pairs, **{name: value[rows] for name, value in values.items() if value is not None})


def joined(first: Pairs, second: Pairs) -> Pairs:
    """Both as one source, under the name of the first."""
    width = max(0 if pairs.spared is None else pairs.spared.shape[1] for pairs in (first, second))
    spared = [
        np.full((len(pairs), width), -1)
        if pairs.spared is None
        else np.pad(pairs.spared, ((0, 0), (0, width - pairs.spared.shape[1])), constant_values=-1)
        for pairs in (first, second)
    ]
    weights = [np.ones(len(pairs)) if pairs.weight is None else pairs.weight for pairs in (first, second)]
    weighted = first.weight is not None or second.weight is not None
    return replace(
        first,
        query=np.append(first.query, second.query),
        reference=np.append(first.reference, second.reference),
        weight=np.concatenate(weights) if weighted else None,
        spared=np.concatenate(spared) if width else None,
    )
