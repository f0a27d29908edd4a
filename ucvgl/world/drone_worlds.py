"""Rendered worlds seen by drones, in the tree of University-1652: a building, its flight, its tile, a photo.

<home>/train/{drone,satellite,street}/<building>/*         the buildings to train on
<home>/test/query_{drone,satellite,street}/<building>/*    other buildings, of other worlds
<home>/test/gallery_{drone,satellite,street}/<building>/*  the same, and distractors that nobody asks for
<home>/rendered/<split>-<world>.json                       written when a world is finished
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ucvgl.images.listing import Split
from ucvgl.images.uris import join
from ucvgl.settings.experiment import Dataset
from ucvgl.world.flight import buildings, render_flight, render_street
from ucvgl.world.levels import LEVELS
from ucvgl.world.orthophoto import render_tile
from ucvgl.world.panorama_worlds import RENDERER, WHOLE, Part, digest, open_world, write_jpeg
from ucvgl.world.world import build_world, places

BUILDINGS_PER_WORLD = 125
CAMERA = 1
"""Raise it when the same settings give other flights."""


@dataclass(frozen=True)
class Area:
    """One world to render: the unit of parallel work and of resuming.

    Args:
        first: number of its first building; the others count on.
        places: buildings that have queries; what follows them are distractors.
    """

    split: Split
    seed: int
    first: int
    places: int
    distractors: int


def plan(dataset: Dataset) -> list[Area]:
    """The worlds that hold the buildings asked for; no world serves two splits, two seeds, or panoramas.

    Distractors are spread over all worlds of the validation split.
    """
    settings, areas, first = dataset.synthetic, [], 1
    totals: list[tuple[Split, int, int]] = [
        ("train", settings.train_places, 0),
        ("validation", settings.validation_places, dataset.drone.distractor_places),
    ]
    for split, places_, distractors in totals:
        worlds = -(-(places_ + distractors) // BUILDINGS_PER_WORLD)
        for number in range(worlds):
            seed = int(digest(settings.seed, "drone", split, number), 16) % 2**31
            share = [_part(total, number, worlds) for total in (places_, distractors)]
            areas.append(Area(split, seed, first, *share))
            first += sum(share)
    return areas


def home(dataset: Dataset) -> Path:
    """Where the worlds of these settings lie below the data set's root, a folder."""
    return Path(dataset.root) / _name(dataset)


def home_uri(dataset: Dataset) -> str:
    """The same where the root may lie in a bucket."""
    return join(dataset.root, _name(dataset))


def mark_of(area: Area) -> str:
    """The file of a rendered world that is written last, below its home."""
    return f"rendered/{area.split}-{area.seed}.json"


def _name(dataset: Dataset) -> str:
    level = dataset.synthetic.level
    decides = (RENDERER, CAMERA, asdict(dataset.synthetic), asdict(dataset.drone), asdict(LEVELS[level]))
    return f"synthetic-drone-{level}-{digest(json.dumps(decides, sort_keys=True))[:12]}"


def render_area(dataset: Dataset, area: Area, folder: Path | str, part: Part | None = WHOLE) -> None:
    """Render one world into `folder`, unless it is there; the note that it is finished is written last.

    Args:
        part: of the buildings alone; None: they are all there, and the world is published.

    Raises:
        ValueError: the world has fewer buildings than were asked for.
    """
    note = Path(folder) / mark_of(area)
    if note.exists():
        return
    if part is not None:
        _render_buildings(dataset, area, Path(folder), part)
    if part in (None, WHOLE):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asdict(area)) + "\n")


def _render_buildings(dataset: Dataset, area: Area, folder: Path, part: Part) -> None:
    settings, size = dataset.synthetic, dataset.synthetic.tile_size
    world = build_world(area.seed, LEVELS[settings.level], settings.look)
    count = area.places + area.distractors
    found = buildings(world)[:count]
    if len(found) < count:
        raise ValueError(f"world {area.seed} has {len(found)} buildings, {count} were asked for")
    has_query, has_reference = open_world(settings, area.seed, count)
    spots, (first, step) = places(world), part
    for k in range(first, count, step):
        building = found[k]
        name, images = f"{area.first + k:04d}", {}
        if has_query[k]:
            flight = render_flight(world, building, k, views=dataset.drone.views, size=size)
            images |= {f"drone/{name}/image-{n:02d}.jpeg": image for n, image in enumerate(flight, 1)}
            photo = render_street(world, building, spots, k, size=size)
            images |= {f"street/{name}/1.jpg": photo} if photo is not None else {}
        if has_reference[k]:
            middle = np.array([building["x"], building["y"]])
            images[f"satellite/{name}/{name}.jpg"] = render_tile(world, middle, k, size=size)
        for path, image in images.items():
            for begins in _parts(area.split, is_distractor=k >= area.places):
                write_jpeg(folder / f"{begins}{path}", image)


def _parts(split: Split, *, is_distractor: bool) -> tuple[str, ...]:
    """What the folders of a building's views begin with."""
    if split == "train":
        return ("train/",)
    return ("test/gallery_",) if is_distractor else ("test/query_", "test/gallery_")


def _part(total: int, number: int, parts: int) -> int:
    """The size of one of several parts of a total, as equal as they can be."""
    return total * (number + 1) // parts - total * number // parts
