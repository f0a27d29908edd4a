"""A run, and an index that is made with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.index.areas import make_run, pictures
from ucvgl.distributed.indexing import index
from ucvgl.index.tiles import list_tiles
from ucvgl.index.trained_run import TrainedRun
from ucvgl.settings.experiment import Resources

RESOURCES = Resources(workers=1, images_per_shard=16)


def made(where: Path | str, run: Path, tiles: Path, **options: Any) -> Any:
    """Index the tiles of a folder with the encoders of a run."""
    return index(str(where), list_tiles(str(tiles)), run=TrainedRun(run), resources=RESOURCES, **options)


def make_home(folder: Path) -> Path:
    """A folder with a run, 40 tiles, of which the position of one is known, and 20 photos."""
    make_run(folder / "run", queries=60, tiles=40)
    pictures(folder / "tiles", 40, (32, 32), seed=1)
    (folder / "tiles" / "references.csv").write_text("file,lat,lon\n000.png,41.5,-2\n")
    pictures(folder / "photos", 20, (32, 128), seed=2)
    return folder
