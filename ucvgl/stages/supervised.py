"""Training on true pairs among places that are hard to tell apart (Sample4Geo; Deuser et al., ICCV 2023)."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ucvgl.atomic import write_array
from ucvgl.distributed.heading_search import headings_of_pairs
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.rounds import train_round
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.images.image_store import ImageStore
from ucvgl.programs.embedding import EmbedJob, Look, parts_of
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import read_catalogs
from ucvgl.stages.curriculum import write_result
from ucvgl.training.batches import Pairs
from ucvgl.training.hard_negatives import nearest_places, without
from ucvgl.training.loop import Log
from ucvgl.training.pairs import known_pairs, repeated, with_fakes

logger = logging.getLogger(__name__)

HARD_NEGATIVES = 128
"""So many hard places are known of each (Sample4Geo); the hardest quarter, and as many of the others, join it in a
batch."""


def supervised(
    folder: Path,
    *,
    catalogs: Path,
    labels: Path,
    projected: Path,
    cold: Path,
    experiment: Experiment,
    machines: Crew,
    log: Log,
) -> dict[str, Any]:
    """Write `round_XX/model.pt` for every set of hard negatives and the final `model.pt` into `folder`.

    The first neighbours are the nearest places, as encoders that have learned nothing know no better; those of later
    rounds are the most similar to the encoders. Where no position is known, the first batches are drawn at random.
    Where queries are described by their bird's-eye views as well (`model.query`), these are contrasted with panorama
    and tile; where panoramas join later (`curriculum.panoramas_after`) these views alone find the neighbours, and learn
    as in the rounds of the curriculum.

    Args:
        folder: where the stage writes.
        catalogs: folder of `1_catalog`.
        labels: folder of `2_labels`.
        projected: folder of `2_project`.
        cold: folder of `4_cold_start`.
        machines: who trains, embeds and matches.
        log: takes the rows of `metrics.jsonl`.
    """
    settings, supervision, train = experiment.curriculum, experiment.supervision, projected / "train"
    known = known_pairs(labels, train, experiment)
    copies = max(1, round(len(ImageStore(train / "queries")) / len(known)))
    if experiment.headings_searched:
        headings = headings_of_pairs(known, folder / "turns", machines, bevs=train / "bev")
        known = replace(known, heading_deg=headings)
    start = cold
    for index in range(settings.rounds):
        into = folder / f"round_{index:02d}"
        into.mkdir(exist_ok=True)
        if not (into / "model.pt").exists():
            sources = [known]
            if experiment.query_by == "both":  # then the encoder of tiles is shown bird's-eye views
                smoothing = experiment.cold_start.cross_label_smoothing
                sources = with_fakes(known, train / "bev", smoothing, index, settings)
            if supervision.hard_negatives:
                if not cached.exists(into / "neighbours.npy"):
                    near = index == 0 and not supervision.start
                    found = (
                        _nearest(known, catalogs, HARD_NEGATIVES)
                        if near
                        else _most_similar(sources[0], start, into / "scan", HARD_NEGATIVES, machines)
                    )
                    _publish(found, into / "neighbours.npy")
                neighbours = load_numbers(cached.here(into / "neighbours.npy"))
                sources = [replace(pairs, neighbours=neighbours) for pairs in sources]
            sources = [repeated(pairs, copies) for pairs in sources]
            train_round(into, start, sources, index, experiment=experiment, machines=machines)
        start = into
    told = write_result(start, folder, projected, experiment, machines)
    return {"rounds": settings.rounds, "true_pairs": len(known), **told}


def _nearest(known: Pairs, catalogs: Path, k: int) -> np.ndarray:
    """The tiles that lie nearest to each pair's own, by great-circle distance; none where no position is known."""
    tiles = read_catalogs(catalogs)["train"].references
    if not {"lat", "lon"} <= set(tiles.column_names):
        logger.info("no tile has coordinates: the first batches are drawn at random")
        return np.full((len(known), k), -1)
    row_of = {identity: row for row, identity in enumerate(tiles["id"].to_pylist())}
    shown, of_pair = np.unique(known.reference, return_inverse=True)
    listed = [row_of[identity] for identity in ImageStore(known.stores[1]).ids[shown].tolist()]
    lat, lon = (tiles[name].to_numpy().astype(float)[listed] for name in ("lat", "lon"))
    spared = _spared(known)
    found = nearest_places(lat, lon, k + spared.shape[1])
    return without(np.where(found < 0, -1, shown[found])[of_pair], spared, k)


def _most_similar(known: Pairs, start: Path, scan: Path, k: int, machines: Crew) -> np.ndarray:
    """The tiles that the encoders in `start` find most similar to each pair's query, without its own."""
    sides = [
        (Look(store, view), *np.unique(rows, return_inverse=True))
        for store, view, rows in zip(known.stores, known.views, (known.query, known.reference), strict=True)
    ]
    jobs = [EmbedJob((look,), start / "model.pt", scan / look.store.name) for look, _, _ in sides]
    machines.embed(jobs)
    parts = [
        _rows_of_parts(job.folder, scan / f"known_{look.store.name}", rows)
        for job, (look, rows, _) in zip(jobs, sides, strict=True)
    ]
    (_, _, query_of_pair), (_, shown, _) = sides
    unwanted = np.concatenate([_spared(known), known.reference[:, None]], axis=1)
    best = machines.match(*parts, folder=scan, k=min(k + unwanted.shape[1], len(shown)))
    found = np.where(best.row_index < 0, -1, shown[best.row_index])
    cached.remove(scan)
    return without(found[query_of_pair], unwanted, k)


def _spared(known: Pairs) -> np.ndarray:
    return np.empty((len(known), 0), int) if known.spared is None else known.spared


def _rows_of_parts(folder: Path, into: Path, rows: np.ndarray) -> list[Path]:
    """Some rows (sorted) of the vectors in `folder`, part by part."""
    into.mkdir(exist_ok=True)
    start, written = 0, []
    for part in parts_of(folder):
        vectors = load_numbers(cached.here(part), mmap_mode="r")
        stop = start + len(vectors)
        np.save(into / part.name, vectors[rows[(rows >= start) & (rows < stop)] - start])
        written.append(into / part.name)
        start = stop
    return written


def _publish(neighbours: np.ndarray, path: Path) -> None:
    write_array(path, neighbours.astype(np.int32))
