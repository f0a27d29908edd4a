"""Every image read once, projected, and written as the networks see it; Ray Data streams the shards."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from ucvgl.atomic import write_whole
from ucvgl.distributed.cluster import placed, several_machines
from ucvgl.distributed.parcels import Sent
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.stream import Row, Step, listed_row, stream_missing
from ucvgl.files import cached
from ucvgl.files.plain import json_as
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage, resize
from ucvgl.images.image_store import shard_path, write_shard
from ucvgl.images.same_files import content_of
from ucvgl.images.storage import read_ahead
from ucvgl.projection.birdseye import from_above, worth_decoding
from ucvgl.projection.level import Level
from ucvgl.projection.preprocessing import Preprocessing, query_of, whole_image
from ucvgl.run import columns
from ucvgl.run.ending import at_work_on
from ucvgl.settings.experiment import Experiment
from ucvgl.types import Catalog

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """What `shards.json` says."""

    images_per_shard: PositiveInt


def project_images(
    catalogs: Mapping[str, Catalog], folder: Path, *, experiment: Experiment, level: Level | None = None
) -> pa.Table:
    """Read every image once and write it as the networks see it, with a bird's-eye view of every query.

    Writes the stores `<folder>/<split>/{queries,bev,references}` and, where images were bad, `bad-*.json`
    beside the shard that lacks them. Shards that exist are kept.

    Args:
        catalogs: split ("train", ...) -> its images.
        level: tells how far from level a photo was taken.

    Returns:
        the images that could not be read: columns split, view, id, uri, reason.

    Raises:
        ValueError: more than `dataset.max_bad_share` of the images are bad, or all of a view.
    """
    resources = experiment.resources
    rows = _shard_rows(catalogs, folder, resources.images_per_shard)

    def missing() -> list[Row]:
        return cached.unmade(rows, lambda row: shard_path(folder / row["split"] / row["view"], row["shard"]))

    total, left = (sum(len(row["id"]) for row in some) for some in (rows, missing()))
    limit = experiment.dataset.max_bad_share * total
    rejected = _rejected(folder)
    progress = Progress("project", total, done=total - left)
    # in:      split, view, shard, id [n], uri [n], heading_deg [n]
    # Project: images (how many were read), bad (JSON)
    settings = {"folder": Sent(folder), "experiment": experiment, "level": level}
    project = Step(Project, settings, at_once=placed(resources).image_cpus)
    with cached.handed_over(folder, far=several_machines()):
        for row in stream_missing(missing, project):
            rejected += json.loads(row["bad"])
            progress.advance(row["images"])
            _refuse_too_many(rejected, limit, total, experiment.dataset.max_bad_share)
    rejected = _rejected(folder)
    _refuse_too_many(rejected, limit, total, experiment.dataset.max_bad_share)
    _refuse_empty(rejected, catalogs)
    if rejected:
        first = "; ".join(f"{bad['uri']}: {bad['reason']}" for bad in rejected[:3])
        log.warning("%d of %d images cannot be used and are left out (%s)", len(rejected), total, first)
    return pa.Table.from_pylist(sorted(rejected, key=lambda bad: tuple(bad.values())), schema=columns.REJECTED)


class Project:
    """Actor that reads, decodes, projects and shrinks the images of a shard; a bad one costs only itself.

    It writes the shard by itself: pixels that travel to another process are copied several times on the way.
    """

    def __init__(self, folder: Path | str, experiment: Experiment, level: Level | None = None) -> None:
        cv2.setNumThreads(1)
        self.folder, self.dataset, self.projection = Path(folder), experiment.dataset, experiment.projection
        tile, panorama = self.dataset.tile_size, (self.dataset.panorama_height, self.dataset.panorama_width)
        enough, lens = worth_decoding(self.projection, tile, panorama), self.dataset.lens(self.projection)
        photos = {"lens": lens, "level": level}
        self._how = {"queries": Preprocessing(panorama, enough, **photos), "references": whole_image((tile, tile))}
        self._headings_known = experiment.contrast.heading == "known"

    def __call__(self, row: Row) -> Row:
        good, images, bevs, bad, contents = [], [], [], [], []
        ahead, how = read_ahead(row["uri"], most=MAX_BYTES), self._how[row["view"]]
        for identity, uri, looks, read in zip(row["id"], row["uri"], row["heading_deg"], ahead, strict=True):
            with at_work_on(uri):
                try:
                    data = read()
                    image = query_of(data, how, uri, heading_deg=looks if self._headings_known else 0.0).panorama
                except (BadImage, OSError) as error:
                    reason = error.reason if isinstance(error, BadImage) else str(error)
                    bad.append(
                        {"split": row["split"], "view": row["view"], "id": identity, "uri": uri, "reason": reason}
                    )
                    continue
                good.append(identity)
                contents.append(content_of(data))
                if row["view"] == "queries":
                    images.append(resize(image, self.dataset.panorama_height, self.dataset.panorama_width))
                    bevs.append(from_above(self.projection, image, self.dataset.tile_size))
                else:
                    images.append(resize(image, self.dataset.tile_size, self.dataset.tile_size))
        self._publish(row, good, images, bevs, bad, contents)
        return {"images": len(row["id"]), "bad": json.dumps(bad)}

    def _publish(
        self, row: Row, ids: list[str], images: list, bevs: list, bad: list[dict[str, str]], contents: list[str]
    ) -> None:
        """The file whose existence says "done" comes last."""
        cached.refuse_unseen(self.folder)
        split, shard, tile = self.folder / row["split"], row["shard"], self.dataset.tile_size
        queries = row["view"] == "queries"
        height, width = (self.dataset.panorama_height, self.dataset.panorama_width) if queries else (tile, tile)
        if queries:
            write_shard(split / "bev", shard, ids, _stack(bevs, tile, tile))
        if bad:
            write_whole(split / row["view"] / f"bad-{shard:05d}.json", json.dumps(bad))
        write_shard(split / row["view"], shard, ids, _stack(images, height, width), contents=contents)


def _shard_rows(catalogs: Mapping[str, Catalog], folder: Path, images_per_shard: int) -> list[Row]:
    """One row per shard. A resumed attempt keeps the shard size of the first, whatever it asks for."""
    layout = folder / "shards.json"
    if not layout.exists():
        write_whole(layout, json.dumps({"images_per_shard": images_per_shard}))
    size = json_as(Layout, layout.read_bytes(), layout).images_per_shard
    rows = []
    for split, catalog in catalogs.items():
        for view, table in (("queries", catalog.queries), ("references", catalog.references)):
            for start in range(0, table.num_rows, size):
                part = table.slice(start, size)
                where = {"split": split, "view": view, "shard": start // size}
                rows.append(where | listed_row(part))
    return rows


def _rejected(folder: Path) -> list[dict[str, str]]:
    """What finished shards are missing. A shard without its images is done again, and its list with it."""
    lists = {path: shard_path(path.parent, int(path.stem[4:])) for path in folder.glob("*/*/bad-*.json")}
    wanted = set(cached.missing([*lists.values()]))
    lists = [path for path, shard in lists.items() if shard not in wanted]
    return [bad for path in lists for bad in json_as(list[dict[str, str]], path.read_bytes(), path)]


def _refuse_too_many(rejected: list[dict[str, str]], limit: float, total: int, share: float) -> None:
    if len(rejected) > limit:
        first = "; ".join(f"{bad['uri']}: {bad['reason']}" for bad in rejected[:3])
        raise ValueError(
            f"{len(rejected)} of {total} images cannot be used, more than dataset.max_bad_share {share:g} "
            f"allows ({first}); repair them and add --redo project, as what was read is kept, or raise the share"
        )


def _refuse_empty(rejected: list[dict[str, str]], catalogs: Mapping[str, Catalog]) -> None:
    """Tiles that are few beside their photos may all be bad, and no large share of the images."""
    counts = Counter((bad["split"], bad["view"]) for bad in rejected)
    for (split, view), count in counts.items():
        if count == getattr(catalogs[split], view).num_rows:
            first = next(bad for bad in rejected if (bad["split"], bad["view"]) == (split, view))
            raise ValueError(
                f"none of the {count} {view} of {split} can be used ({first['uri']}: {first['reason']}); repair them "
                "and add --redo project, as what was read is kept"
            )


def _stack(images: list[np.ndarray], height: int, width: int) -> np.ndarray:
    return np.stack(images) if images else np.empty((0, height, width, 3), np.uint8)
