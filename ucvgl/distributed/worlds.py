"""The synthetic worlds, one Ray task each."""

from __future__ import annotations

from pathlib import Path

import ray

from ucvgl.config import Resources, Synthetic
from ucvgl.data.synthetic.dataset import WorldPlan, plan, render_world
from ucvgl.distributed.cluster import cores, one_machine
from ucvgl.distributed.progress import Progress


def render_worlds(settings: Synthetic, folder: Path, resources: Resources) -> None:
    """Render every world of the plan into `folder`; a finished world is kept, a broken one is done again."""
    worlds = plan(settings)
    at_once = max(resources.image_workers, cores() if one_machine() else 1)
    progress = Progress("render worlds", sum(world.places for world in worlds), unit="places")
    waiting = list(worlds)
    running: dict[ray.ObjectRef, WorldPlan] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            world = waiting.pop(0)
            running[_render.remote(settings, world, str(folder))] = world
        (finished,), _ = ray.wait(list(running), num_returns=1)
        ray.get(finished)
        progress.advance(running.pop(finished).places)


@ray.remote(num_cpus=1, max_retries=3)
def _render(settings: Synthetic, world: WorldPlan, folder: str) -> None:
    render_world(settings, world, folder)
