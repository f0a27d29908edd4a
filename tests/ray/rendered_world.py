"""The world of the whole jobs, rendered once per session: by the first process that asks, for all of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ucvgl.settings.presets import tiny
from ucvgl.world.panorama_worlds import home, plan, render_world

PLACES = 256
FLAGS = (f"--dataset.synthetic.train-places={PLACES}",)


def rendered_world(shared: Path, root: Path) -> Path:
    """A folder for `--dataset.root` with a copy of the world of `tiny`, with fewer places (`FLAGS`).

    Args:
        shared: a folder that all processes of the session know.
        root: where the copy goes; whoever has it may change it.
    """
    base = tiny().dataset
    dataset = replace(base, root=str(shared / "world"), synthetic=replace(base.synthetic, train_places=PLACES))
    with FileLock(shared / "world.lock"):
        for world in plan(dataset.synthetic):
            render_world(dataset.synthetic, world, home(dataset))
    shutil.copytree(shared / "world", root, dirs_exist_ok=True)
    return root
