"""The synthetic worlds, one Ray task each, into a folder or a bucket."""

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

WORLDS = ".worlds"
"""Where worlds lie in the place of a run, which no folder of a machine holds."""


def root_of_worlds(dataset: Dataset, folder: Path) -> str:
    """Where worlds are rendered to: the data set's root, or beside the run where machines share its bucket alone.

    Args:
        folder: in the run.
    """
    uri = cached.uri_of_run(folder)
    return join(uri, WORLDS) if uri and is_local(dataset.root) and several_machines() else dataset.root


def render_worlds(dataset: Dataset, resources: Resources) -> None:
    """Render every world of the plan below the data set's root; a finished world is kept, a broken one done again."""
    flown = dataset.name == "synthetic_drone"
    worlds = drone_worlds.plan(dataset) if flown else panorama_worlds.plan(dataset.synthetic)
    at_once = placed(resources).image_cpus
    progress = Progress("render worlds", sum(world.places for world in worlds), unit="places")
    waiting = list(worlds)
    running: dict[ray.ObjectRef, drone_worlds.Area | panorama_worlds.WorldPlan] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            world = waiting.pop(0)
            running[_render.remote(dataset, world)] = world
        (finished,), _ = ray.wait(list(running), num_returns=1)
        ray.get(finished)
        progress.advance(running.pop(finished).places)


def render(dataset: Dataset, world: drone_worlds.Area | panorama_worlds.WorldPlan) -> None:
    """Render one world below the data set's root, unless it is there."""
    if isinstance(world, drone_worlds.Area):
        home, mark = drone_worlds.home_uri(dataset), drone_worlds.mark_of(world)
        into: Callable[[str], None] = partial(drone_worlds.render_area, dataset, world)
    else:
        home, mark = panorama_worlds.home_uri(dataset), panorama_worlds.mark_of(world)
        into = partial(panorama_worlds.render_world, dataset.synthetic, world)
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
    copy_out(made / last, join(home, last))
