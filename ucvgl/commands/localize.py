"""`ucvgl localize`: photos in; tiles, coordinates and a confidence out."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from ucvgl.files.printable import printable
from ucvgl.images.decimals import decimal

if TYPE_CHECKING:
    from ucvgl.index.answers import Answer
    from ucvgl.index.localizer import Localizer
    from ucvgl.poses.turns import Heading

Looks = Literal["known", "unknown"] | float | None
"""Where photos look: what `--heading` says."""
DRAWN = 10
"""Tiles in a picture."""
LONGEST_STEM = 200
"""Bytes of a photo's name that its picture's name keeps."""


def main(argv: Sequence[str]) -> int:
    """Read the command line and answer the photos; the exit code, 1 where a photo could not be used."""
    return tyro.cli(localize, args=list(argv), prog="ucvgl localize")


def localize(
    photos: tyro.conf.Positional[tuple[str, ...]],
    /,
    index: str,
    k: int = 5,
    heading: str = "",
    format: Literal["table", "jsonl", "geojson"] = "table",
    picture: str = "",
    parquet: str = "",
    address: Annotated[str, tyro.conf.arg(metavar="RAY")] = "",
    workers: int = 0,
) -> int:
    """Say where photos were taken: the most similar tiles of an index, with coordinates and a confidence.

    Args:
        photos: panoramas: files, folders or URIs.
        index: folder or URI that `ucvgl index` wrote.
        k: tiles for each photo.
        heading: known: panoramas have north in their middle, photos look where their EXIF says; a number: all look so
            many degrees clockwise from north; unknown: they look anywhere, and each is searched for at 24 turns; empty:
            as the index was made for.
        format: how the answers are printed.
        picture: folder for a picture of each answer: photo, bird's-eye view, tiles, map.
        parquet: for many photos: folder or URI for the answers as Parquet, worked out on Ray; nothing is printed.
        address: Ray cluster for --parquet; empty: the one this job runs on, else a local Ray.
        workers: processes that localize, with --parquet, each with a GPU where there are GPUs; 0: as many as fit.

    Raises:
        ValueError: no photo is named, no tile is asked for, or a heading is none.
    """
    if not photos:
        raise ValueError("which photo? ucvgl localize PHOTO ... --index INDEX")
    if k < 1:
        raise ValueError(f"--k {k}: ask for at least one tile")
    if parquet:
        return _in_bulk(photos, index, k, _looks(heading), parquet, address, workers)
    return _one_by_one(photos, index, k, _looks(heading), format, picture)


def _looks(heading: str) -> Looks:
    """Where photos look, as the flag says."""
    if heading in ("known", "unknown"):
        return cast(Any, heading)
    if not heading:
        return None
    try:
        degrees = decimal(heading)
    except ValueError:
        degrees = math.inf
    if not abs(degrees) <= 360:
        raise ValueError(f"--heading {heading}: it is known, unknown, or degrees clockwise from north, up to 360")
    return degrees % 360


def _one_by_one(photos: Sequence[str], index: str, k: int, heading: Looks, form: str, picture: str) -> int:
    from ucvgl.images.decode import BadImage
    from ucvgl.index.answers import FORMATS
    from ucvgl.index.localizer import load
    from ucvgl.run.places import on_this_machine

    if picture:
        on_this_machine(picture, flag="--picture")
    localizer, answers, bad = load(index, heading=heading), [], 0
    for photo in _files(photos):
        try:
            (answer,) = localizer.localize(photo, k=max(k, DRAWN) if picture else k)
        except (BadImage, OSError) as error:
            bad += 1
            told = error if isinstance(error, BadImage) else f"{photo}: {error.strerror or error}"
            print(f"ucvgl localize: {printable(str(told))}", file=sys.stderr)
            continue
        answers.append(replace(answer, candidates=answer.candidates[:k]))
        if picture:
            _draw(localizer, photo, replace(answer, candidates=answer.candidates[:DRAWN]), len(answers), picture)
        if form != "geojson":  # one document; the others are written as they come
            print(FORMATS[form](answers[-1:]), flush=True)
    if form == "geojson":
        print(FORMATS[form](answers))
    return 1 if bad else 0


def _draw(localizer: Localizer, photo: str, answer: Answer, number: int, folder: str) -> None:
    from ucvgl.pages.answer_picture import draw

    os.makedirs(folder, exist_ok=True)
    stem = os.fsencode(printable(Path(photo).stem))[:LONGEST_STEM].decode("utf-8", "ignore")
    path = Path(folder) / f"{number:04d}-{stem}.png"
    draw(localizer, photo, answer, path)
    print(f"picture: {printable(str(path))}", file=sys.stderr)


def _files(photos: Sequence[str]) -> list[str]:
    """The photos, with every folder replaced by the images in it."""
    from ucvgl.images.folder import read_images

    found: list[str] = []
    for photo in photos:
        found += sorted(read_images(photo)["uri"].to_pylist()) if _is_folder(photo) else [photo]
    return found


def _is_folder(photo: str) -> bool:
    """In a bucket, where there are no folders, the ending tells."""
    from ucvgl.images.listing import IMAGES

    if "://" not in photo:
        return os.path.isdir(photo)
    return not photo.partition("?")[0].lower().endswith(IMAGES)


def _in_bulk(
    photos: Sequence[str],
    index: str,
    k: int,
    heading: Looks,
    out: str,
    address: str,
    workers: int,
) -> int:
    import hashlib

    import pyarrow as pa

    from ucvgl.distributed.bulk import localize_listed, read_bad
    from ucvgl.distributed.cluster import connect
    from ucvgl.files.owned import begin, contents_of
    from ucvgl.images.folder import absolute
    from ucvgl.images.listing import opaque_id
    from ucvgl.images.storage import read
    from ucvgl.images.uris import join
    from ucvgl.index.answers import ROWS
    from ucvgl.index.manifest import MANIFEST, photo_ground, photo_preprocessing, read_manifest
    from ucvgl.log import start_logging
    from ucvgl.settings.limits import resources_of

    resources = resources_of(address=address, workers=workers)
    start_logging()
    index, out = absolute(index), absolute(out)
    manifest = read_manifest(index)
    how = photo_preprocessing(index, manifest)
    uris = _files([absolute(photo) for photo in photos])
    listed = pa.table({"id": [opaque_id(uri) for uri in uris], "uri": uris})
    made_from = {"index": hashlib.sha256(read(join(index, MANIFEST))).hexdigest(), "photos": contents_of(uris), "k": k}
    known: Heading = heading if isinstance(heading, str) else "known" if heading is not None else manifest.heading
    made_from["heading"] = known if heading is None else heading
    if isinstance(heading, float):
        listed = listed.append_column("heading_deg", pa.array([heading] * len(uris), pa.float64()))
    begin(out, made_from | {"images_per_shard": resources.images_per_shard}, flag="--parquet")
    connect(resources)
    start_logging()
    seen = {"aspect": manifest.photo_aspect, "ground": photo_ground(manifest)}
    parts = localize_listed(listed, out, index=index, k=k, how=how, resources=resources, heading=known, **seen)
    bad = read_bad(parts, ROWS)
    for uri, reason in bad:
        print(printable(f"ucvgl localize: {uri}: {reason}"), file=sys.stderr)
    print(f"{out}: {len(uris) - len(bad)} photos answered in {len(parts)} Parquet files")
    return 1 if bad else 0
