"""The synthetic worlds, a Ray task or several each, into a folder or a bucket."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import ray

from ucvgl.distributed.cluster import placed, several_machines
from ucvgl.distributed.progress import Progress
from ucvgl.files import cached
from ucvgl.images.storage import AT_ONCE, copy_out, exists
from ucvgl.images.uris import is_local, join
from ucvgl.settings.experiment import Dataset, Resources
from ucvgl.world import drone_worlds, panorama_worlds
from ucvgl.world.panorama_worlds import WHOLE, Part

WORLDS = ".worlds"
"""Where worlds lie in the place of a run, which no folder of a machine holds."""
TASKS_OF_A_CPU, PLACES_OF_A_TASK = 2, 100
"""So many tasks, that no processor waits long for the last, of so many places at least: each builds its world first."""
World = drone_worlds.Area | panorama_worlds.WorldPlan


def root_of_worlds(dataset: Dataset, folder: Path) -> str:
    """Where worlds are rendered to: the data set's root, or beside the run where machines share its bucket alone.

    Args:
        folder: in the run.
    """
    uri = cached.uri_of_run(folder)
    return join(uri, WORLDS) if uri and is_local(dataset.root) and several_machines() else dataset.root


def render_worlds(dataset: Dataset, resources: Resources) -> None:
    """Render every world of the plan below the data set's root; a finished world is kept, a broken one done again.

    Each world in parts, where there are few of them for so many processors.
    """
    flown = dataset.name == "synthetic_drone"
    worlds = drone_worlds.plan(dataset) if flown else panorama_worlds.plan(dataset.synthetic)
    at_once = placed(resources).image_cpus
    most = -(-TASKS_OF_A_CPU * at_once // len(worlds))
    left = {world: max(1, min(most, world.places // PLACES_OF_A_TASK)) for world in worlds}
    progress = Progress("render worlds", sum(world.places for world in worlds), unit="places")
    waiting: list[tuple[World, Part | None]] = []
    waiting += [(world, (first, step)) for world, step in left.items() for first in range(step)]
    running: dict[ray.ObjectRef, tuple[World, Part | None]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            world, part = waiting.pop(0)
            running[_render.remote(dataset, world, part)] = world, part
        (finished,), _ = ray.wait(list(running), num_returns=1)
        ray.get(finished)
        world, part = running.pop(finished)
        if part is not None:
            progress.advance(len(range(part[0], world.places, part[1])))
            left[world] -= 1
            if not left[world] and part != WHOLE:
                waiting.insert(0, (world, None))


def render(dataset: Dataset, world: World, part: Part | None) -> None:
    """Render one world, or a part of its images, below the data set's root, unless it is there.

    Args:
        part: None: its images are there, and it is published.
    """
    if isinstance(world, drone_worlds.Area):
        home, mark = drone_worlds.home_uri(dataset), drone_worlds.mark_of(world)
        into: Callable[[str], None] = partial(drone_worlds.render_area, dataset, world, part=part)
    else:
        home, mark = panorama_worlds.home_uri(dataset), panorama_worlds.mark_of(world)
        into = partial(panorama_worlds.render_world, dataset.synthetic, world, part=part)
    if is_local(home):
        into(home)
    elif not exists(join(home, mark)):
        with TemporaryDirectory() as made:
            into(made)
            _upload(Path(made), home, last=mark)


_render = ray.remote(num_cpus=1, max_retries=3)(render)


def _upload(made: Path, home: str, *, last: str) -> None:
    """Copy a folder into a bucket, one file when all others are there."""
    names = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: copy_out(made / name, join(home, name)), [name for name in names if name != last]))
    if last in names:
        copy_out(made / last, join(home, last))
