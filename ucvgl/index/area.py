"""An index: a self-contained folder, local or in a bucket, that answers photos of one area.

<index>/
  model.pt        both encoders
  tiles.parquet   id, uri and, where known, lat, lon: one row per tile
  vectors.faiss   their descriptors, row by row
  grounds.parquet where photos are seen from above: how the tiles look, small, for candidates to be verified by
  manifest.json   version, how images reach the encoders, calibration, size and digest of each file; written last

A folder without `manifest.json` is not an index yet, so half an index is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

import ucvgl
from ucvgl.files.seal import sealed, unsealed
from ucvgl.files.tables import read_table, table_bytes
from ucvgl.images.storage import exists, read, write
from ucvgl.images.uris import join
from ucvgl.index import nearest
from ucvgl.index.confidence import Calibration
from ucvgl.index.ground import COLUMNS as GROUND_COLUMNS
from ucvgl.index.ground import Grounds, ShowsGround, shown_by
from ucvgl.index.presence import Presence
from ucvgl.index.tiles import TILES as TILE_COLUMNS
from ucvgl.index.tiles import check_tiles
from ucvgl.poses.placing import Placing
from ucvgl.poses.turns import Heading
from ucvgl.projection.preprocessing import Preprocessing, query_preprocessing
from ucvgl.run.record import as_json_holds
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Projection

FORMAT, VERSION, READ = "ucvgl-index", 5, (1, 2, 3, 4, 5)
MANIFEST, MODEL, TILES, VECTORS = "manifest.json", "model.pt", "tiles.parquet", "vectors.faiss"
GROUNDS = "grounds.parquet"
MOST_IN_MANIFEST, MOST_BESIDE = 2**24, 2**20
"""Bytes that a manifest may have, and another file beyond what that says, for it to be read at all."""


@dataclass(frozen=True)
class FileRecord:
    """What a file of an index must be: its length and the SHA-256 digest of its content, in hex."""
    bytes: int
    sha256: str


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Manifest:
    """What an index says about itself.

    Args:
        kind: of the faiss index; all but `flat` are approximate.
        query_size: height and width of panoramas for the networks of the data set, pixels.
        from_above: the query encoder sees them as bird's-eye views, at `reference_size`.
        both: a query is described by its panorama and its bird's-eye view together.
        heading: of the photos that it is asked for, unless they say otherwise.
        calibration: None where no confidence could be calibrated; `uncalibrated` says why.
        presence: likewise of the probability that a place is in the index.
        verified: first tiles of an answer that are verified over poses; 0: none.
        placing: how cameras are placed on tiles; None where that could not be learned; `unplaced` says why.
        tile_side_m: metres that a tile spans; None where nobody knows.
        files: size and digest of each file.
        encoders: of which round of its run they are, in words.
        finished: whether these are the result of that run.
        photo_aspect: width over height of the photos that were trained on; None where nobody knows.
        lens: how photos become parts of panoramas; None where they are panoramas.
    """

    ucvgl: str
    tiles: int
    dimension: int
    kind: nearest.Kind
    query_size: list[int]
    reference_size: list[int]
    projection: Projection
    calibration: Calibration | None
    uncalibrated: str
    files: dict[str, FileRecord]
    from_above: bool = False
    both: bool = False
    encoders: str = ""
    finished: bool = True
    photo_aspect: float | None = None
    lens: Lens | None = None
    heading: Heading = "known"
    presence: Presence | None = None
    verified: int = 0
    placing: Placing | None = None
    unplaced: str = "the index was made before cameras were placed; make it anew"
    tile_side_m: float | None = None
    format: str = FORMAT
    version: int = VERSION


class Index:
    """The tiles of an area, ready to be searched."""

    def __init__(
        self, manifest: Manifest, tiles: pa.Table, searcher: Any, *, origin: str, grounds: Grounds | None = None
    ) -> None:
        self.manifest, self.tiles, self.origin, self.grounds = manifest, tiles, origin, grounds
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
    files = {name: _checked(where, name, manifest) for name in manifest.files}
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
    return Index(manifest, tiles, searcher, origin=where, grounds=grounds), files[MODEL]


def photo_preprocessing(manifest: Manifest) -> Preprocessing:
    """How photos reach the query encoder."""
    (height, width), tile = manifest.query_size, manifest.reference_size[0]
    how = {"above": manifest.from_above, "both": manifest.both}
    return query_preprocessing((height, width), tile, manifest.projection, lens=manifest.lens, **how)


def photo_ground(manifest: Manifest) -> ShowsGround | None:
    """What gives the ground around a photo's camera; None where no answer is verified or camera placed by it."""
    used = GROUNDS in manifest.files and (manifest.verified or manifest.placing)
    return shown_by("query", manifest.projection) if used else None


def is_index(where: str) -> bool:
    """Whether there is a manifest, whatever it says."""
    return exists(join(where, MANIFEST))


def read_manifest(where: str) -> Manifest:
    """The manifest of an index.

    Raises:
        ValueError: there is none, it cannot be read, or it is of another version.
    """
    path = join(where, MANIFEST)
    if not is_index(where):
        raise ValueError(
            f"{where} is no index: it has no {MANIFEST}, which is written last; make one, or finish it, with "
            f"`ucvgl index RUN TILES --out {where}`"
        )
    data = _read(path, MOST_IN_MANIFEST)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); it is damaged: make the index anew") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is not the manifest of an index: its `format` is not {FORMAT!r}")
    if content.get("version") not in READ or isinstance(content["version"], bool):
        raise ValueError(
            f"{where} is an index of version {content.get('version')!r}, written by ucvgl "
            f"{content.get('ucvgl', '?')}; ucvgl {ucvgl.__version__} reads version {READ[0]} to {READ[-1]}: use that "
            "ucvgl, or make the index anew"
        )
    content, whole = unsealed(content, optional=content["version"] == 1)
    if not whole:
        raise ValueError(
            f"{path} does not fit its seal: it was damaged or changed; copy the whole index again, or make it anew"
        )
    try:
        manifest = TypeAdapter(Manifest).validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {name}: {first['msg']}; it is damaged: make the index anew") from error
    needed = {MODEL, TILES, VECTORS} | ({GROUNDS} if manifest.verified else set())
    if not needed <= set(manifest.files) <= needed | {GROUNDS} or manifest.tiles < 1 or manifest.dimension < 1:
        raise ValueError(f"{path} does not list {MODEL}, {TILES} and {VECTORS} of at least one tile; make it anew")
    return manifest


def write_index(
    where: str,
    *,
    model: bytes,
    tiles: pa.Table,
    searcher: Any,
    about: Mapping[str, Any],
    grounds: pa.ChunkedArray | None = None,
) -> Manifest:
    """Write an index into a folder, the manifest last.

    Args:
        searcher: the faiss index of the tiles' vectors, in the order of `tiles`.
        about: the remaining fields of `Manifest`.
        grounds: how the tiles look, small (`ucvgl.index.ground`).
    """
    files = {MODEL: model, TILES: table_bytes(tiles), VECTORS: nearest.to_bytes(searcher)}
    if grounds is not None:
        files[GROUNDS] = table_bytes(pa.table({"ground": grounds}, schema=GROUND_COLUMNS))
    records = {name: FileRecord(len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    manifest = Manifest(
        ucvgl=ucvgl.__version__, tiles=tiles.num_rows, dimension=searcher.d, files=records, **about
    )
    text = json.dumps(sealed(as_json_holds(asdict(manifest))), indent=1) + "\n"
    for name, data in {**files, MANIFEST: text.encode()}.items():
        write(join(where, name), data)
    return manifest


def _read(path: str, most: int) -> bytes:
    try:
        return read(path, most=most)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}); copy the whole index, or make it anew") from error


def _checked(where: str, name: str, manifest: Manifest) -> bytes:
    expected = manifest.files[name]
    data = _read(join(where, name), expected.bytes + MOST_BESIDE)
    if len(data) != expected.bytes:
        raise ValueError(
            f"{where}/{name} has {len(data)} bytes, the manifest says {expected.bytes}: "
            "it was cut off or swapped; copy the whole index again, or make it anew"
        )
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise ValueError(
            f"{where}/{name} is not the file that the manifest describes (its digest differs): "
            "it was damaged or swapped; copy the whole index again, or make it anew"
        )
    return data


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
