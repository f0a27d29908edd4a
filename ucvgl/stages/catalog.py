"""Which images there are: two piles per split, and nothing that links them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import pyarrow as pa

from ucvgl.distributed.rendering import render_worlds, root_of_worlds
from ucvgl.files.tables import read_table, write_table
from ucvgl.images import corpora
from ucvgl.images.folder import absolute
from ucvgl.images.listing import Split
from ucvgl.images.same_files import shared_images
from ucvgl.run import columns
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.experiment import Dataset, Experiment
from ucvgl.types import Catalog
from ucvgl.world import panorama_worlds

logger = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = get_args(Split)
BACK = "back"
"""Validation images for the question the other way round, where a data set has other pools for it."""


def catalog(folder: Path, *, experiment: Experiment, both_ways: bool = False) -> dict[str, Any]:
    """List the images of every split into `folder`; the synthetic worlds are rendered first, where they are not yet.

    Files that the data set lists and that are not there are left out, and told in `missing.parquet`.

    Args:
        both_ways: list the pools of the reverse protocol as well, where there is one.
    """
    if experiment.dataset.rendered:
        root = root_of_worlds(experiment.dataset, folder)
        experiment = replace(experiment, dataset=replace(experiment.dataset, root=root))
        render_worlds(experiment.dataset, experiment.resources)
    counts: dict[str, Any] = {"root": absolute(experiment.dataset.root)}
    missing = []
    catalogs = {split: _list(experiment.dataset, split) for split in SPLITS}
    if both_ways and experiment.dataset.reverse_protocol:
        reverse = replace(experiment.dataset, protocol=cast(Any, experiment.dataset.reverse_protocol))
        catalogs[BACK] = corpora.read_catalog(reverse, "validation")
    for said in shared_images(catalogs):
        logger.warning("%s", said)
    for split, listed in catalogs.items():
        for view, table in (("queries", listed.queries), ("references", listed.references)):
            write_table(folder / f"{split}_{view}.parquet", table)
            counts[f"{split}_{view}"] = table.num_rows
        missing += [{"split": split, "path": path} for path in listed.missing]
        if listed.missing:
            first = ", ".join(listed.missing[:3])
            logger.warning("%s: missing and left out, %d in all: %s", split, len(listed.missing), first)
    if missing:
        write_table(folder / "missing.parquet", pa.Table.from_pylist(missing, columns.MISSING))
        counts["missing"] = len(missing)
    return counts


def as_listed(catalogs: Path, dataset: Dataset) -> Dataset:
    """The data set where it was listed: a relative root means the folder in which the run was begun."""
    record = read_record(catalogs / DONE)
    root = dataset.root if record is None else record.summary.get("root", dataset.root)
    return replace(dataset, root=root) if absolute(dataset.root) != root else dataset


def read_catalogs(folder: Path) -> dict[str, Catalog]:
    """What `catalog` listed, by split."""

    def read(split: str, view: str) -> pa.Table:
        return read_table(folder / f"{split}_{view}.parquet", columns.CATALOG, optional=columns.OPTIONAL)

    splits = [split for split in (*SPLITS, BACK) if (folder / f"{split}_queries.parquet").exists()]
    return {split: Catalog(read(split, "queries"), read(split, "references")) for split in splits}


def _list(dataset: Dataset, split: Split) -> Catalog:
    if dataset.name == "synthetic":
        return panorama_worlds.catalog(panorama_worlds.home_uri(dataset), split)
    return corpora.read_catalog(dataset, split)
