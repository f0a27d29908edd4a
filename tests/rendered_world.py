"""The world of the whole jobs, rendered once per session: by the first process that asks, for all of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ucvgl.settings.presets import tiny
from ucvgl.world.panorama_worlds import home, plan, render_world

PLACES = 128
FLAGS = (f"--dataset.synthetic.train-places={PLACES}",)


def rendered_world(shared: Path, root: Path, places: int = PLACES) -> Path:
    """A folder for `--dataset.root` with a copy of the world of `tiny`, with fewer places.

    Args:
        shared: a folder that all processes of the session know.
        root: where the copy goes; whoever has it may change it.
        places: for training; `FLAGS` say the usual number.
    """
    base = tiny().dataset
    there = shared / f"world_{places}"
    dataset = replace(base, root=str(there), synthetic=replace(base.synthetic, train_places=places))
    with FileLock(f"{there}.lock"):
        for world in plan(dataset.synthetic):
            render_world(dataset.synthetic, world, home(dataset))
    shutil.copytree(there, root, dirs_exist_ok=True)
    return root
