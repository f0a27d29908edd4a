"""The synthetic worlds, one Ray task each."""

from __future__ import annotations

import ray

from ucvgl.distributed.cluster import placed
from ucvgl.distributed.progress import Progress
from ucvgl.settings.experiment import Dataset, Resources
from ucvgl.world import drone_worlds, panorama_worlds


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


@ray.remote(num_cpus=1, max_retries=3)
def _render(dataset: Dataset, world: drone_worlds.Area | panorama_worlds.WorldPlan) -> None:
    if isinstance(world, drone_worlds.Area):
        drone_worlds.render_area(dataset, world, drone_worlds.home(dataset))
    else:
        panorama_worlds.render_world(dataset.synthetic, world, panorama_worlds.home(dataset))
