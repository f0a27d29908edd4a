"""An index of an area: its tiles embedded on Ray, made searchable, with a confidence that needs no label."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa

from ucvgl.distributed.bulk import Bad, embed_listed, read_bad, read_grounds, read_shown, read_vectors
from ucvgl.files.owned import BEGUN, begin, contents_of
from ucvgl.files.parts import read_part
from ucvgl.files.tables import table_bytes
from ucvgl.images.storage import delete, list_files, locate
from ucvgl.images.uris import join
from ucvgl.index import nearest
from ucvgl.index.area import write_index
from ucvgl.index.camera_place import placing_of, tile_side_of
from ucvgl.index.doubt import alike
from ucvgl.index.ground import Grounds, shown_by
from ucvgl.index.headings import check_heading
from ucvgl.index.manifest import Manifest, is_index
from ucvgl.index.sureness import sureness_of
from ucvgl.index.trained_run import TrainedRun
from ucvgl.poses.turns import Heading
from ucvgl.settings.experiment import Resources

log = logging.getLogger(__name__)


def index(
    where: str,
    tiles: pa.Table,
    *,
    run: TrainedRun,
    resources: Resources,
    kind: nearest.Kind | None = None,
    memory_bytes: float = 4e9,
    tile_side_m: float | None = None,
    heading: Heading = "known",
) -> tuple[Manifest, list[Bad]]:
    """Write an index of some tiles; what it says of itself, and the tiles that could not be read.

    Broken off, the same call goes on: parts that are embedded are kept in `<where>/parts`, which goes at the end.

    Args:
        where: a folder or URI that is empty, or where the same was begun.
        tiles: columns `id, uri` and, where known, `lat, lon`.
        kind: of the faiss index; None: chosen by the number of tiles and `memory_bytes`.
        tile_side_m: metres that a tile spans; None: as the run's settings tell, if they do.
        heading: of the photos that it will be asked for: its confidence is that of answers to these.

    Raises:
        ValueError: there is an index already, another was begun there, or too many tiles are bad.
    """
    encoders = run.encoders(device="cpu")
    check_heading(heading, encoders.projection)
    ground = shown_by("reference", encoders.projection)
    _begin(where, run, tiles, resources)
    parts = embed_listed(
        tiles,
        join(where, "parts"),
        model=run.model,
        view="reference",
        how=encoders.preprocessing("reference"),
        resources=resources,
        ground=ground,
    )
    bad = read_bad(parts)
    for line in alike(read_shown(parts), dict(zip(tiles["id"].to_pylist(), tiles["uri"].to_pylist(), strict=True))):
        log.warning("%s", line)
    _refuse_too_many(bad, tiles.num_rows, run.experiment.dataset.max_bad_share)
    ids = [identity for some, _ in read_vectors(parts) for identity in some]
    kept = tiles.filter(np.isin(tiles["id"].to_numpy(), ids)) if bad else tiles

    def batches() -> Iterator[np.ndarray]:
        return (vectors for _, vectors in read_vectors(parts))

    kind = kind or nearest.choose(len(ids), encoders.dimension, memory_bytes=memory_bytes)
    searcher = nearest.build(kind, batches, count=len(ids), dimension=encoders.dimension)
    grounds, verified = read_grounds(parts) if ground else None, run.experiment.evaluation.verified
    shown = None if grounds is None else Grounds(grounds, "the tiles")
    how = {"heading": heading, "verified": verified, "grounds": shown}
    sure = sureness_of(run, encoders, searcher, len(ids), **how)
    placing, unplaced = placing_of(run)
    about = {
        "kind": kind,
        "query_size": list(encoders.size("query")),
        "reference_size": list(encoders.size("reference")),
        "from_above": encoders.from_above,
        "both": encoders.both,
        "projection": run.experiment.projection,
        "heading": heading,
        "calibration": sure.calibration,
        "presence": sure.presence,
        "uncalibrated": sure.reason,
        "encoders": run.about,
        "finished": run.finished,
        "photo_aspect": run.photo_aspect,
        "lens": encoders.lens,
        "verified": verified,
        "placing": placing,
        "unplaced": unplaced,
        "tile_side_m": tile_side_m or tile_side_of(run.experiment),
    }
    made_of = {"model": read_part(run.model), "tiles": kept, "searcher": searcher, "grounds": grounds}
    made_of["level"] = encoders.level
    manifest = write_index(where, **made_of, about=about)
    for made in [*parts, join(where, BEGUN)]:
        delete(made)
    filesystem, path = locate(join(where, "parts"))
    with suppress(FileNotFoundError):  # a bucket knows no empty folder
        if not list_files(join(where, "parts")):
            filesystem.delete_dir(path)
    return manifest, bad


def _begin(where: str, run: TrainedRun, tiles: pa.Table, resources: Resources) -> None:
    """Say what is being made here, or refuse to go on with something else."""
    if is_index(where):
        raise ValueError(f"{where} is an index already; choose another folder with --out, or delete it first")
    model, listed = (hashlib.sha256(content).hexdigest() for content in (read_part(run.model), table_bytes(tiles)))
    seen = contents_of(tiles["uri"].to_pylist())
    wanted = {"model": model, "tiles": [listed, seen], "images_per_shard": resources.images_per_shard}
    begin(where, wanted, flag="--out")


def _refuse_too_many(bad: Sequence[Bad], total: int, share: float) -> None:
    if len(bad) > share * total:
        first = "; ".join(f"{uri}: {reason}" for uri, reason in bad[:3])
        raise ValueError(
            f"{len(bad)} of {total} tiles cannot be used, more than dataset.max_bad_share {share:g} allows ({first}); "
            "repair or remove them"
        )
