"""Images listed by URI, embedded or localized: Ray Data streams the shards; nothing but the answers is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, UInt8, UInt64

from ucvgl.distributed.cluster import placed, threads_each
from ucvgl.distributed.parcels import Sent
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.reading import read_listed
from ucvgl.distributed.stream import Row, Step, listed_row, stream
from ucvgl.files.tables import read_table, required, table_bytes
from ucvgl.images.storage import list_files, read, write
from ucvgl.images.uris import is_local, join
from ucvgl.index.ground import ShowsGround, packed
from ucvgl.poses.ground_views import SIDE
from ucvgl.poses.turns import Heading, turns_of
from ucvgl.projection.preprocessing import Preprocessing
from ucvgl.settings.experiment import Resources

if TYPE_CHECKING:
    from ucvgl.networks.towers import View

VECTORS = pa.schema(
    required(
        id=pa.string(), content=pa.string(), doubt=pa.string(), ground=pa.binary(), vector=pa.list_(pa.float32())
    )
)
"""`content` is a digest of the pixels that the encoder saw, `doubt` what speaks against the image, `ground` what it is
verified by (`ucvgl.index.ground`), if it was asked for."""
READING_CPUS, ACTOR_CPUS = 0.5, 0.75
"""They differ, as Ray Data makes one process of neighbours with equal needs. Reading waits for the network."""
WAY_OUT = "delete it, and the same command makes it again"
SHOWN = ("id", "content", "doubt")
Bad = tuple[str, str]
"""An image that could not be used, and why."""


def embed_listed(
    listed: pa.Table,
    folder: str,
    *,
    model: Path | str,
    view: View,
    how: Preprocessing,
    resources: Resources,
    ground: ShowsGround | None = None,
) -> list[str]:
    """Write the descriptors of all images of a list (`id, uri` and, where that is known, `heading_deg`); the URIs of
    the parts, in the list's order.

    A part `part-*.parquet` has the columns `VECTORS` of the images that could be used; the others are in its
    metadata, see `read_bad`. Parts that exist are kept.

    Args:
        folder: a folder or URI that all machines see.
        model: the file of the encoders, or its URI.
        how: images reach the encoder.
        ground: gives that of an image, where it is to be kept as well.
    """
    rows = _missing(listed, folder, resources.images_per_shard)
    progress = Progress("embed", listed.num_rows, done=listed.num_rows - sum(len(row["id"]) for row in rows))
    placement = placed(resources)
    actors = placement.workers
    settings = {"model": Sent(model), "view": view, "folder": folder, "threads": threads_each(actors)}
    # in:          shard, id [n], uri [n], heading_deg [n]
    # read_listed: shard, id [good], image (raw pixels of the good ones), height, width, bad (JSON), files, doubts
    # Embed:       images (how many were read)
    steps = (
        Step(read_listed, {"how": how, "ground": ground}, at_once=placement.image_cpus + 1, cpus=READING_CPUS),
        Step(Embed, settings, at_once=actors, cpus=ACTOR_CPUS, gpus=placement.gpus),
    )
    for row in stream(rows, *steps):
        progress.advance(row["images"])
    return _parts(folder, listed.num_rows, resources.images_per_shard)


def localize_listed(
    listed: pa.Table,
    folder: str,
    *,
    index: str,
    k: int,
    how: Preprocessing,
    resources: Resources,
    aspect: float | None = None,
    ground: ShowsGround | None = None,
    heading: Heading = "known",
) -> list[str]:
    """Write the answers for all photos of a list (`id, uri` and, where that is known, `heading_deg`), as rows of
    `ucvgl.index.answers.ROWS`.

    Args:
        folder: local or in a bucket, where parts go; those that exist are kept.
        index: the folder or URI that is searched.
        k: tiles of an answer.
        how: photos reach the query encoder.
        ground: gives that around a photo's camera, where answers are verified or cameras placed by it.
        heading: of the photos.
    """
    size = max(1, resources.images_per_shard // len(turns_of(heading)))
    rows = _missing(listed, folder, size)
    progress = Progress("localize", listed.num_rows, done=listed.num_rows - sum(len(row["id"]) for row in rows))
    placement = placed(resources)
    actors = placement.workers
    settings = {"index": index, "k": k, "folder": folder, "threads": threads_each(actors), "heading": heading}
    reading = {"how": how, "aspect": aspect, "ground": ground, "heading": heading}
    # in:          shard, id [n], uri [n], heading_deg [n]
    # read_listed: shard, id, uri [good], image (raw pixels of the good ones, turn by turn), height, width, bad (JSON),
    #              doubts, ground
    # Localize:    images (how many were read)
    steps = (
        Step(read_listed, reading, at_once=placement.image_cpus + 1, cpus=READING_CPUS),
        Step(Localize, settings, at_once=actors, cpus=ACTOR_CPUS, gpus=placement.gpus),
    )
    for row in stream(rows, *steps):
        progress.advance(row["images"])
    return _parts(folder, listed.num_rows, size)


class Embed:
    """Actor that holds the encoders of one file."""

    def __init__(self, model: Path | str, view: View, folder: str, threads: int) -> None:
        import torch

        from ucvgl.networks.adapted import load_encoders

        torch.set_num_threads(threads)
        source = model if is_local(str(model)) else BytesIO(read(str(model)))
        self.encoders = load_encoders(source, "cuda" if torch.cuda.is_available() else "cpu", origin=str(model))
        self.view: View = view
        self.folder = folder

    def __call__(self, row: Row) -> Row:
        from ucvgl.networks.searched import embed_seen

        images = pixels(row)
        vectors = embed_seen(self.encoders, images, self.view)
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
        shown = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
        found = {"id": list(row["id"]), "content": shown, "doubt": list(row["doubts"])}
        columns = {name: pa.array(values, pa.string()) for name, values in found.items()}
        below = [packed(ground) for ground in grounds(row)] or [b""] * len(images)
        columns |= {"ground": pa.array(below, pa.binary()), "vector": column}
        table = pa.table(columns)
        _publish(self.folder, row, table)
        return {"images": len(row["id"]) + len(json.loads(row["bad"]))}


class Localize:
    """Actor that holds an index with its encoders."""

    def __init__(self, index: str, k: int, folder: str, threads: int, heading: Heading) -> None:
        import torch

        from ucvgl.index.localizer import load

        torch.set_num_threads(threads)
        self.localizer, self.k, self.folder = load(index, heading=heading), k, folder

    def __call__(self, row: Row) -> Row:
        from ucvgl.index.answers import ROWS, rows

        names = list(row["uri"])
        vectors = self.localizer.encoders.embed_seen(pixels(row), "query")
        turns = vectors.reshape(len(names), len(turns_of(self.localizer.heading)), vectors.shape[1])
        seen = {"doubts": list(row["doubts"]), "grounds": grounds(row), "looked_deg": list(row["looked_deg"])}
        answers = self.localizer.answers(names, turns, k=self.k, **seen)
        _publish(self.folder, row, pa.Table.from_pylist(rows(answers), schema=ROWS))
        return {"images": len(names) + len(json.loads(row["bad"]))}


def pixels(row: Row) -> UInt8[np.ndarray, "n h w 3"]:
    """The images of a row, in memory of their own."""
    return np.frombuffer(bytearray(row["image"]), np.uint8).reshape(-1, row["height"], row["width"], 3)


def grounds(row: Row) -> list[UInt8[np.ndarray, "s s 3"]]:
    """The ground of each image of a row; none where it was not asked for."""
    return list(np.frombuffer(bytearray(row["ground"]), np.uint8).reshape(-1, SIDE, SIDE, 3))


def read_vectors(parts: Sequence[str]) -> Iterator[tuple[list[str], Float32[np.ndarray, "n d"]]]:
    """Ids and descriptors of each part that `embed_listed` wrote."""
    for part in parts:
        table = read_table(read(part), VECTORS, origin=part, way_out=WAY_OUT)
        if table.num_rows:  # else none of its images could be used
            vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            yield table["id"].to_pylist(), vectors.reshape(table.num_rows, -1)


def read_shown(parts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Id, digest of the pixels, and what speaks against it, of every image that was embedded."""
    found = (read_table(read(part), VECTORS, origin=part, way_out=WAY_OUT) for part in parts)
    return [row for table in found for row in zip(*(table[name].to_pylist() for name in SHOWN), strict=True)]


def read_contents(parts: Sequence[str]) -> UInt64[np.ndarray, " n"]:
    """Digests of the files of the images that were embedded; 0 where nobody noted them."""
    found: list[str] = []
    for part in parts:
        table = read_table(read(part), VECTORS, origin=part, way_out=WAY_OUT)
        noted = json.loads((table.schema.metadata or {}).get(b"files", b"[]"))
        found += noted if len(noted) == table.num_rows else ["0"] * table.num_rows
    return np.array([int(one, 16) for one in found], np.uint64)


def read_grounds(parts: Sequence[str]) -> pa.ChunkedArray:
    """The ground of every image that was embedded, as `ucvgl.index.ground.Grounds` takes it."""
    tables = [read_table(read(part), VECTORS, origin=part, way_out=WAY_OUT) for part in parts]
    return pa.chunked_array([chunk for table in tables for chunk in table["ground"].chunks], pa.binary())


def read_bad(parts: Sequence[str], columns: pa.Schema = VECTORS) -> list[Bad]:
    """The images that could not be used, and why, of all parts."""
    found = [read_table(read(part), columns, origin=part, way_out=WAY_OUT) for part in parts]
    return [(uri, reason) for table in found for uri, reason in json.loads((table.schema.metadata or {})[b"bad"])]


def _publish(folder: str, row: Row, table: pa.Table) -> None:
    content = table_bytes(table.replace_schema_metadata({"bad": row["bad"], "files": json.dumps([*row["files"]])}))
    write(join(folder, part_name(row["shard"])), content)


def _missing(listed: pa.Table, folder: str, size: int) -> list[Row]:
    there: Mapping[str, int] = {}
    with suppress(FileNotFoundError):
        there = list_files(folder, recursive=False)
    rows = []
    for shard, start in enumerate(range(0, listed.num_rows, size)):
        if part_name(shard) not in there:
            part = listed.slice(start, size)
            rows.append({"shard": shard, **listed_row(part)})
    return rows


def _parts(folder: str, count: int, size: int) -> list[str]:
    return [join(folder, part_name(shard)) for shard in range(-(-count // size))]


def part_name(shard: int) -> str:
    """What the answers of a shard are called in their folder."""
    return f"part-{shard:05d}.parquet"
