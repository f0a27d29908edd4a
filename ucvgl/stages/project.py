"""Panoramas and tiles as the networks see them, and a bird's-eye view of every panorama (UCVGL section 3.1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ucvgl.distributed.projecting import project_images
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import read_catalogs


def project(folder: Path, *, catalogs: Path, experiment: Experiment) -> dict[str, Any]:
    """Write the stores `<split>/{queries,bev,references}` and `rejected.parquet` into `folder`."""
    rejected = project_images(read_catalogs(catalogs), folder, experiment=experiment)
    pq.write_table(rejected, folder / "rejected.parquet")
    return {"rejected": rejected.num_rows}
