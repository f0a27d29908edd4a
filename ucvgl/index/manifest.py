"""What an index says about itself, and how photos reach its encoders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

import ucvgl
from ucvgl.files.seal import unsealed
from ucvgl.images.storage import exists, read
from ucvgl.images.uris import join
from ucvgl.index import nearest
from ucvgl.index.confidence import Calibration
from ucvgl.index.ground import ShowsGround, shown_by
from ucvgl.index.presence import Presence
from ucvgl.poses.placing import Placing
from ucvgl.poses.turns import Heading
from ucvgl.projection.level import LEVEL, Level
from ucvgl.projection.preprocessing import Preprocessing, query_preprocessing
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Projection

FORMAT, VERSION, READ = "ucvgl-index", 6, (1, 2, 3, 4, 5, 6)
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


def photo_preprocessing(where: str, manifest: Manifest) -> Preprocessing:
    """How photos reach the query encoder.

    Raises:
        ValueError: a file of the index is broken.
    """
    (height, width), tile = manifest.query_size, manifest.reference_size[0]
    how = {"above": manifest.from_above, "both": manifest.both, "lens": manifest.lens}
    level = photo_level(where, manifest)
    return query_preprocessing((height, width), tile, manifest.projection, level=level, **how)


def photo_level(where: str, manifest: Manifest) -> Level | None:
    """What tells how far from level photos were taken; None where all are taken for level.

    Raises:
        ValueError: the file of the index is broken.
    """
    if LEVEL not in manifest.files:
        return None
    return Level.from_bytes(checked_file(where, LEVEL, manifest), f"{where}/{LEVEL}")


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
    if not needed <= set(manifest.files) <= needed | {GROUNDS, LEVEL} or manifest.tiles < 1 or manifest.dimension < 1:
        raise ValueError(f"{path} does not list {MODEL}, {TILES} and {VECTORS} of at least one tile; make it anew")
    return manifest


def _read(path: str, most: int) -> bytes:
    try:
        return read(path, most=most)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}); copy the whole index, or make it anew") from error


def checked_file(where: str, name: str, manifest: Manifest) -> bytes:
    """The content of a file of an index, if it is what the manifest describes.

    Raises:
        ValueError: it is missing, cut off, damaged or swapped; with the way out.
    """
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
