"""Panoramas and tiles as the networks see them, and a bird's-eye view of every panorama (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from ucvgl.distributed.levelling import learn_level
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.projecting import project_images
from ucvgl.files.tables import write_table
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage, decode
from ucvgl.images.storage import read
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import read_catalogs
from ucvgl.types import Catalog

LOOKED_AT = 9


def project(folder: Path, *, catalogs: Path, experiment: Experiment, machines: Crew) -> dict[str, Any]:
    """Write the stores `<split>/{queries,bev,references}` and `rejected.parquet` into `folder`.

    Of photos it is learned first how far from level they were taken: `level.npz`.

    Args:
        folder: where the stage writes.
        catalogs: folder of `1_catalog`.
        machines: who learns that.
    """
    listed, level = read_catalogs(catalogs), None
    if experiment.dataset.levelled:
        level = learn_level(folder, listed["train"].queries, experiment=experiment, machines=machines)
    rejected = project_images(listed, folder, experiment=experiment, level=level)
    write_table(folder / "rejected.parquet", rejected)
    return {"rejected": rejected.num_rows, "photo_aspect": _aspect(listed["train"])}


def _aspect(catalog: Catalog) -> float | None:
    """The median of width over height of a few photos, so that others can be told from these."""
    found = []
    for uri in catalog.queries["uri"].to_pylist()[:LOOKED_AT]:
        try:
            height, width = decode(read(uri, most=MAX_BYTES), uri).shape[:2]
            found.append(width / height)
        except (BadImage, OSError):
            continue
    return round(median(found), 3) if found else None
