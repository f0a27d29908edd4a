"""Which images there are: two piles per split, and nothing that links them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from ucvgl.config import Experiment
from ucvgl.data import folder as own_images
from ucvgl.data.folder import Split
from ucvgl.data.synthetic import dataset as synthetic
from ucvgl.distributed.worlds import render_worlds
from ucvgl.types import Catalog

SPLITS: tuple[Split, ...] = get_args(Split)


def catalog(folder: Path, *, experiment: Experiment) -> dict[str, Any]:
    """List the images of every split into `folder`; the synthetic worlds are rendered first, where they are not yet."""
    counts = {}
    for split in SPLITS:
        listed = _list(experiment, split)
        for view, table in (("queries", listed.queries), ("references", listed.references)):
            pq.write_table(table, folder / f"{split}_{view}.parquet")
            counts[f"{split}_{view}"] = table.num_rows
    return counts


def read_catalogs(folder: Path) -> dict[str, Catalog]:
    """What `catalog` listed, by split."""

    def read(split: str, view: str) -> pa.Table:
        return pq.read_table(folder / f"{split}_{view}.parquet")

    return {split: Catalog(read(split, "queries"), read(split, "references")) for split in SPLITS}


def _list(experiment: Experiment, split: Split) -> Catalog:
    dataset = experiment.dataset
    if dataset.name == "folder":
        return own_images.read_catalog(dataset.root, split)
    home = synthetic.home(dataset)
    render_worlds(dataset.synthetic, home, experiment.resources)
    return synthetic.catalog(home, split)
