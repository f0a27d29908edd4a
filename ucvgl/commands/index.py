"""`ucvgl index`: embed the tiles of an area on Ray, and write a folder that answers photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from ucvgl.files.printable import printable


def main(argv: Sequence[str]) -> None:
    """Read the command line and make the index."""
    tyro.cli(index, args=list(argv), prog="ucvgl index")


def index(
    run: tyro.conf.Positional[str],
    tiles: tyro.conf.Positional[str],
    /,
    out: str,
    kind: Literal["auto", "flat", "hnsw", "ivfpq"] = "auto",
    memory: float = 4.0,
    address: Annotated[str, tyro.conf.arg(metavar="RAY")] = "",
    workers: int = 0,
    images_per_shard: int = 512,
    tile_side_m: float = 0.0,
    heading: Literal["", "known", "unknown"] = "",
    unfinished: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Embed tiles on Ray and write an index: a self-contained folder that `ucvgl localize` and `serve` search.

    Args:
        run: folder of a finished run.
        tiles: folder or URI of images, with an optional references.csv (file,lat,lon), or a Parquet list (id, uri
            and, where known, lat, lon).
        out: folder or URI of the index.
        kind: flat is exact; hnsw and ivfpq are approximate; auto is flat as long as it fits.
        memory: that the vectors may take when the index is searched, GB; decides what auto is.
        address: Ray cluster; empty: the one this job runs on, else a local Ray.
        workers: processes that embed, each with a GPU where there are GPUs; 0: as many as fit.
        images_per_shard: tiles that are read, embedded and kept together.
        tile_side_m: metres that a tile spans, so that positions are more than pixels; 0: as the run's settings tell.
        heading: of the photos that will be asked about: known, with north in their middle, or unknown; empty: as those
            of the run. The confidence is that of answers to such photos; for unknown, held-out photos of the run are
            described at 24 turns each.
        unfinished: take the last encoders of a run that has no result yet; the index and its answers say so.

    Raises:
        ValueError: a number is outside its range.
    """
    from ucvgl.distributed.cluster import connect
    from ucvgl.distributed.indexing import index as write_index
    from ucvgl.images.folder import absolute
    from ucvgl.images.storage import locate
    from ucvgl.index.tiles import list_tiles
    from ucvgl.index.trained_run import TrainedRun
    from ucvgl.log import start_logging
    from ucvgl.settings.limits import resources_of

    resources = resources_of(address=address, workers=workers, images_per_shard=images_per_shard)
    if not 0 < memory < float("inf"):
        raise ValueError(f"--memory {memory}: it must be more than 0 GB")
    if not 0 <= tile_side_m < 1e5:
        raise ValueError(f"--tile-side-m {tile_side_m:g}: a tile spans some metres; 0: as the run's settings tell")
    start_logging()
    trained, listed, where = TrainedRun(run, unfinished=unfinished), list_tiles(tiles), absolute(out)
    locate(where)  # what can be no place is told before Ray starts
    connect(resources)
    start_logging()
    manifest, bad = write_index(
        where,
        listed,
        run=trained,
        resources=resources,
        kind=None if kind == "auto" else kind,
        memory_bytes=memory * 1e9,
        tile_side_m=tile_side_m or None,
        heading=heading or ("unknown" if trained.experiment.headings_searched else "known"),
    )
    for uri, reason in bad:
        print(printable(f"left out: {uri}: {reason}"))
    found = manifest.calibration
    sure = f"confidence calibrated on {found.queries} queries" if found else f"no confidence: {manifest.uncalibrated}"
    print(f"{out}: {manifest.tiles} tiles, {manifest.kind}, {manifest.dimension} numbers each; {sure}")
    if manifest.placing:
        print(f"cameras are placed by {manifest.placing.pairs} pairs")
    else:
        print(f"no positions within tiles: {manifest.unplaced}")
    print(f"encoders: {manifest.encoders}")
