"""Panoramas and tiles as the networks see them, and a bird's-eye view of every panorama (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from ucvgl.distributed.projecting import project_images
from ucvgl.files.tables import write_table
from ucvgl.images.decode import BadImage, decode
from ucvgl.images.storage import read
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import read_catalogs
from ucvgl.types import Catalog

LOOKED_AT = 9


def project(folder: Path, *, catalogs: Path, experiment: Experiment) -> dict[str, Any]:
    """Write the stores `<split>/{queries,bev,references}` and `rejected.parquet` into `folder`."""
    rejected = project_images(read_catalogs(catalogs), folder, experiment=experiment)
    write_table(folder / "rejected.parquet", rejected)
    return {"rejected": rejected.num_rows, "photo_aspect": _aspect(read_catalogs(catalogs)["train"])}


def _aspect(catalog: Catalog) -> float | None:
    """The median of width over height of a few photos, so that others can be told from these."""
    found = []
    for uri in catalog.queries["uri"].to_pylist()[:LOOKED_AT]:
        try:
            height, width = decode(read(uri), uri).shape[:2]
            found.append(width / height)
        except (BadImage, OSError):
            continue
    return round(median(found), 3) if found else None
