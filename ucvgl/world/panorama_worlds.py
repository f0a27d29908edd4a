"""Rendered worlds as a folder of images: two piles per split, and the truth kept apart.

<folder>/<split>/panorama/<id>.jpg   <folder>/<split>/satellite/<id>.jpg
<folder>/<split>/reference_positions-<world>.parquet   id, lat, lon
<folder>/<split>/query_headings-<world>.parquet        id, heading_deg: of photos, where these are told
<folder>/truth/<split>-<world>.parquet                 query_id, reference_id
<folder>/truth/near-<split>-<world>.parquet            the same: further tiles that show the place, of seamless worlds
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, UInt8

from ucvgl.files.tables import read_table, required, write_table
from ucvgl.images.folder import absolute
from ucvgl.images.listing import files_in, images_in, name_of
from ucvgl.images.storage import read
from ucvgl.images.uris import join
from ucvgl.settings.dataset import WorldLook
from ucvgl.settings.experiment import Dataset, Synthetic
from ucvgl.types import Catalog
from ucvgl.world.layout import Layout, layout_of
from ucvgl.world.levels import LEVELS
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.panorama import render_panorama
from ucvgl.world.snapshot import photo_heading, photo_in
from ucvgl.world.world import World, build_world

Split = Literal["train", "validation"]
Part = tuple[int, int]
"""Of the images of a world: the first of them, and the step from one to the next."""
WHOLE: Part = (0, 1)
PLACES_PER_WORLD = 500
RENDERER = 5
"""Raise it when the same settings give other pictures."""
POSITIONS = pa.schema(required(id=pa.string(), lat=pa.float64(), lon=pa.float64()))
POSITIONS_OF = "reference_positions-"
HEADINGS = pa.schema(required(id=pa.string(), heading_deg=pa.float64()))
HEADINGS_OF = "query_headings-"
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class WorldPlan:
    """One world to render: the unit of resuming."""

    split: Split
    seed: int
    places: int


def plan(settings: Synthetic) -> list[WorldPlan]:
    """The worlds that hold the places asked for; no world serves two splits, nor two seeds.

    Raises:
        ValueError: the shares of the open world leave no pair.
    """
    for name in ("queries_without_reference", "references_without_query"):
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"synthetic.{name} is {getattr(settings, name)}; it is a share, from 0 to 1")
    if settings.queries_without_reference + settings.references_without_query > 1:
        raise ValueError(
            "synthetic.queries_without_reference and references_without_query are more than 1 together"
        )
    if settings.look.seamless and (settings.queries_without_reference or settings.references_without_query):
        raise ValueError(
            "synthetic.look.seamless leaves no gap between tiles, so no query is without one: "
            "set synthetic.queries_without_reference and references_without_query to 0"
        )
    worlds = []
    totals: list[tuple[Split, int]] = [("train", settings.train_places), ("validation", settings.validation_places)]
    for split, total in totals:
        for number, first in enumerate(range(0, total, PLACES_PER_WORLD)):
            seed = int(digest(settings.seed, split, number), 16) % 2**31
            worlds.append(WorldPlan(split, seed, min(PLACES_PER_WORLD, total - first)))
    return worlds


def home(dataset: Dataset) -> Path:
    """Where the worlds of these settings lie below the data set's root, a folder."""
    return Path(dataset.root) / _name(dataset.synthetic)


def home_uri(dataset: Dataset) -> str:
    """The same where the root may lie in a bucket."""
    return join(dataset.root, _name(dataset.synthetic))


def mark_of(item: WorldPlan) -> str:
    """The file of a rendered world that is written last, below its home."""
    return f"{item.split}/{POSITIONS_OF}{item.seed}.parquet"


def _name(settings: Synthetic) -> str:
    return f"synthetic-{settings.level}-{settings_digest(settings)}"


def settings_digest(settings: Synthetic) -> str:
    """Short name of everything that decides the pictures."""
    plain = asdict(replace(settings, look=WorldLook()))
    look = {name: value for name, value in asdict(settings.look).items() if value != getattr(WorldLook(), name)}
    chosen = json.dumps(plain | {"look": look}, sort_keys=True)  # a look that is new later changes no name
    return digest(RENDERER, chosen, asdict(LEVELS[settings.level]))[:12]


@dataclass(frozen=True)
class _Scene:
    """A world, where its images are taken, which of them there are, and their ids."""

    world: World
    lay: Layout
    has_query: Bool[np.ndarray, " q"]
    has_reference: Bool[np.ndarray, " r"]
    query_ids: list[str]
    reference_ids: list[str]


def render_world(settings: Synthetic, item: WorldPlan, folder: Path | str, part: Part | None = WHOLE) -> None:
    """Render one world into `folder`, unless it is there; its `reference_positions` are published last.

    The truth is written before them and never looked for: a world without it is as finished as one with it.

    Args:
        part: of the images alone; None: they are all there, and the world is published.

    Raises:
        ValueError: the world has room for fewer places than were asked for.
    """
    if (Path(folder) / mark_of(item)).exists():
        return
    scene = _scene(settings, item)
    if part is not None:
        _render_images(scene, settings, item, Path(folder), part)
    if part in (None, WHOLE):
        _write_tables(scene, settings, item, Path(folder))


def _scene(settings: Synthetic, item: WorldPlan) -> _Scene:
    world = build_world(item.seed, LEVELS[settings.level], settings.look)
    lay = layout_of(world, item.places)
    there = np.full(len(lay.spots), True), np.full(len(lay.tiles), True)
    if not settings.look.seamless:
        there = open_world(settings, item.seed, item.places)
    ids = ([digest(item.seed, view, k)[:16] for k in range(len(images))]
           for view, images in (("query", lay.spots), ("reference", lay.tiles)))  # fmt: skip
    return _Scene(world, lay, *there, *ids)


def _photo_seed(item: WorldPlan, k: int) -> list[int]:
    return [item.seed, k, 7]


def _render_images(scene: _Scene, settings: Synthetic, item: WorldPlan, folder: Path, part: Part) -> None:
    first, step = part
    panoramas, tiles = (folder / item.split / view for view in ("panorama", "satellite"))
    size = {"height": settings.panorama_height, "width": settings.panorama_width}
    for k in np.flatnonzero(scene.has_query)[first::step].tolist():
        seen = render_panorama(scene.world, scene.lay.spots[k], k, **size)
        if settings.look.photo_fov_deg:
            seen, _ = photo_in(seen, settings.look, _photo_seed(item, k))
        write_jpeg(panoramas / f"{scene.query_ids[k]}.jpg", seen)
    for k in np.flatnonzero(scene.has_reference)[first::step].tolist():
        seen = render_tile(scene.world, scene.lay.tiles[k], k, size=settings.tile_size)
        write_jpeg(tiles / f"{scene.reference_ids[k]}.jpg", seen)


def _write_tables(scene: _Scene, settings: Synthetic, item: WorldPlan, folder: Path) -> None:
    lay, has_query, has_reference = scene.lay, scene.has_query, scene.has_reference
    truth = folder / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    paired = np.flatnonzero(has_query & has_reference[lay.own])
    for name, partners in (("", lay.own[:, None]), ("near-", lay.near)):
        rows = [(scene.query_ids[k], scene.reference_ids[tile]) for k in paired for tile in partners[k]]
        if rows:
            pairs = dict(zip(("query_id", "reference_id"), zip(*rows, strict=True), strict=True))
            _write_table(truth / f"{name}{item.split}-{item.seed}.parquet", pairs, "query_id")
    if settings.look.photo_fov_deg and not settings.look.any_heading:
        seeds = {scene.query_ids[k]: _photo_seed(item, k) for k in np.flatnonzero(has_query).tolist()}
        looks = [photo_heading(settings.look, np.random.default_rng(seed)) for seed in seeds.values()]
        told = {"id": [*seeds], "heading_deg": looks}
        _write_table(folder / item.split / f"{HEADINGS_OF}{item.seed}.parquet", told, "id")
    anchor = np.random.default_rng([item.seed, 5]).uniform((36, -10), (58, 25))
    metres = METRES_PER_DEGREE * np.array([1, math.cos(math.radians(anchor[0]))])
    position = (anchor + lay.tiles[:, ::-1] / metres)[has_reference]
    kept = [scene.reference_ids[k] for k in np.flatnonzero(has_reference)]
    _write_table(folder / mark_of(item), {"id": kept, "lat": position[:, 0], "lon": position[:, 1]}, "id")


def catalog(folder: Path | str, split: str) -> Catalog:
    """The two piles of a split, each sorted by opaque id; reads no truth.

    Args:
        folder: home of the worlds, which may lie in a bucket.
    """
    root = absolute(str(folder))
    queries, references = _listing(root, f"{split}/panorama"), _listing(root, f"{split}/satellite")
    if looks := _tables(root, split, HEADINGS_OF, HEADINGS):
        queries = queries.join(pa.concat_tables(looks), "id").sort_by("id")
    located = _tables(root, split, POSITIONS_OF, POSITIONS)
    return Catalog(queries, references.join(pa.concat_tables(located), "id").sort_by("id"))


def _tables(root: str, split: str, prefix: str, schema: pa.Schema) -> list[pa.Table]:
    uris = [join(root, path) for path in files_in(root, split) if path.startswith(f"{split}/{prefix}")]
    return [read_table(read(uri), schema, origin=uri) for uri in uris]


def open_world(
    settings: Synthetic, seed: int, count: int
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which places of a world keep their query, and which their reference."""
    order = np.random.default_rng([seed, 6]).permutation(count)
    lone_queries = round(settings.queries_without_reference * count)
    lone_references = min(round(settings.references_without_query * count), count - lone_queries)
    rank = np.argsort(order)
    return (rank < lone_queries) | (rank >= lone_queries + lone_references), rank >= lone_queries


def _listing(root: str, below: str) -> pa.Table:
    images = {name_of(path): join(root, path) for path in images_in(root, below)}
    if not images:
        raise ValueError(f"{join(root, below)} holds no image; render the synthetic worlds first")
    ids = sorted(images)
    return pa.table({"id": ids, "uri": [images[one] for one in ids]})


def write_jpeg(path: Path, image: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write an RGB image, and the folder it lies in.

    Raises:
        OSError: the disk is full, or the folder may not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f"{path} could not be written")


def _write_table(path: Path, columns: dict, order: str) -> None:
    write_table(path, pa.table(columns).sort_by(order))


def digest(*parts: object) -> str:
    """Hexadecimal digits that depend on all parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
