"""An index: a self-contained folder, local or in a bucket, that answers photos of one area.

<index>/
  model.pt        both encoders
  tiles.parquet   id, uri and, where known, lat, lon: one row per tile
  vectors.faiss   their descriptors, row by row
  grounds.parquet where photos are seen from above: how the tiles look, small, for candidates to be verified by
  level.npz       of photos: what tells how far from level they were taken
  manifest.json   version, how images reach the encoders, calibration, size and digest of each file; written last

A folder without `manifest.json` is not an index yet, so half an index is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

import ucvgl
from ucvgl.files.seal import sealed
from ucvgl.files.tables import read_table, table_bytes
from ucvgl.images.storage import write
from ucvgl.images.uris import join
from ucvgl.index import nearest
from ucvgl.index.ground import COLUMNS as GROUND_COLUMNS
from ucvgl.index.ground import Grounds
from ucvgl.index.manifest import (
    GROUNDS,
    MANIFEST,
    MODEL,
    TILES,
    VECTORS,
    FileRecord,
    Manifest,
    checked_file,
    read_manifest,
)
from ucvgl.index.tiles import TILES as TILE_COLUMNS
from ucvgl.index.tiles import check_tiles
from ucvgl.projection.level import LEVEL, Level
from ucvgl.run.record import as_json_holds


class Index:
    """The tiles of an area, ready to be searched."""

    def __init__(
        self,
        manifest: Manifest,
        tiles: pa.Table,
        searcher: Any,
        *,
        origin: str,
        grounds: Grounds | None = None,
        level: Level | None = None,
    ) -> None:
        self.manifest, self.tiles, self.origin = manifest, tiles, origin
        self.grounds, self.level = grounds, level
        self._searcher = nearest.on_gpus(searcher)

    def __len__(self) -> int:
        return self.tiles.num_rows

    @property
    def located(self) -> bool:
        """Whether tiles have coordinates."""
        return "lat" in self.tiles.column_names

    @cached_property
    def places(self) -> Float[np.ndarray, "n 2"]:
        """Latitude and longitude of each tile, degrees; NaN where they are not known."""
        if not self.located:
            return np.full((len(self), 2), np.nan)
        columns = [self.tiles[name].to_numpy(zero_copy_only=False) for name in ("lat", "lon")]
        return np.stack(columns, axis=1).astype(np.float64)

    def vectors(self) -> Float[np.ndarray, "n d"]:
        """The descriptors of all tiles, row by row; a compressed index gives back what its codes stand for."""
        return self._searcher.reconstruct_n(0, len(self))

    def search(
        self, vectors: Float[np.ndarray, "n d"], k: int
    ) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
        """Similarities and rows of the best k tiles (of all, where there are fewer), best first."""
        return nearest.search(self._searcher, vectors, min(k, len(self)))


def open_index(where: str) -> tuple[Index, bytes]:
    """An index and the content of its `model.pt`, after checking that they are whole and belong together.

    Raises:
        ValueError: it is no index, or broken, swapped or of a version not known here; with the way out.
    """
    where = where.rstrip("/")
    manifest = read_manifest(where)
    files = {name: checked_file(where, name, manifest) for name in manifest.files}
    tiles = _read_tiles(files[TILES], manifest, f"{where}/{TILES}")
    searcher = nearest.from_bytes(files[VECTORS], f"{where}/{VECTORS}")
    if (searcher.ntotal, searcher.d) != (manifest.tiles, manifest.dimension):
        raise ValueError(
            f"{where}/{VECTORS} holds {searcher.ntotal} vectors of {searcher.d} numbers, the manifest says "
            f"{manifest.tiles} of {manifest.dimension}: files of two indexes are mixed; make the index anew"
        )
    if searcher.metric_type != nearest.INNER_PRODUCT:
        raise ValueError(f"{where}/{VECTORS} does not compare by inner product; make the index anew")
    grounds = _read_grounds(files[GROUNDS], manifest, f"{where}/{GROUNDS}") if GROUNDS in files else None
    level = Level.from_bytes(files[LEVEL], f"{where}/{LEVEL}") if LEVEL in files else None
    return Index(manifest, tiles, searcher, origin=where, grounds=grounds, level=level), files[MODEL]


def write_index(
    where: str,
    *,
    model: bytes,
    tiles: pa.Table,
    searcher: Any,
    about: Mapping[str, Any],
    grounds: pa.ChunkedArray | None = None,
    level: Level | None = None,
) -> Manifest:
    """Write an index into a folder, the manifest last.

    Args:
        searcher: the faiss index of the tiles' vectors, in the order of `tiles`.
        about: the remaining fields of `Manifest`.
        grounds: how the tiles look, small (`ucvgl.index.ground`).
        level: tells how far from level photos were taken.
    """
    files = {MODEL: model, TILES: table_bytes(tiles), VECTORS: nearest.to_bytes(searcher)}
    if grounds is not None:
        files[GROUNDS] = table_bytes(pa.table({"ground": grounds}, schema=GROUND_COLUMNS))
    if level is not None:
        files[LEVEL] = level.to_bytes()
    records = {name: FileRecord(len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    manifest = Manifest(
        ucvgl=ucvgl.__version__, tiles=tiles.num_rows, dimension=searcher.d, files=records, **about
    )
    text = json.dumps(sealed(as_json_holds(asdict(manifest))), indent=1) + "\n"
    for name, data in {**files, MANIFEST: text.encode()}.items():
        write(join(where, name), data)
    return manifest


def _read_tiles(data: bytes, manifest: Manifest, origin: str) -> pa.Table:
    tiles = read_table(data, TILE_COLUMNS, optional=("lat", "lon"), origin=origin, way_out="make the index anew")
    if tiles.num_rows != manifest.tiles:
        raise ValueError(
            f"{origin} lists {tiles.num_rows} tiles, the manifest says {manifest.tiles}: files of two indexes are "
            "mixed; make the index anew"
        )
    check_tiles(tiles, origin)
    return tiles


def _read_grounds(data: bytes, manifest: Manifest, origin: str) -> Grounds:
    found = read_table(data, GROUND_COLUMNS, origin=origin, way_out="make the index anew")
    if found.num_rows != manifest.tiles:
        raise ValueError(
            f"{origin} shows {found.num_rows} tiles, the manifest says {manifest.tiles}: files of two indexes are "
            "mixed; make the index anew"
        )
    return Grounds(found["ground"], origin)
