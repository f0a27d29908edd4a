"""What a job is sure to fail on, seen before anything starts: too little memory or disk, a folder that is shut."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ucvgl.settings.experiment import Experiment


def lacking(experiment: Experiment, folder: Path, *, projects: bool, trains: bool) -> list[str]:
    """What a job takes at least, and this machine does not have; bounds from below, so that only what is sure is told.

    Args:
        folder: of the run.
        projects: images are still to be written there.
        trains: encoders are trained in batches, on this machine alone.
    """
    lines, disk, batch = [], stored_bytes(experiment), batch_bytes(experiment)
    if projects and disk > (free := shutil.disk_usage(_nearest(folder)).free):
        lines.append(
            f"dataset.synthetic: the images take at least {_gb(disk)} in {folder}, where {_gb(free)} are free; render "
            "fewer places or smaller images, or name a larger disk with --run"
        )
    if trains and batch > (memory := os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")):
        lines.append(
            f"contrast.batch: the pixels of a batch take at least {_gb(batch)} of memory, and this machine has "
            f"{_gb(memory)}; lower contrast.batch, dataset.tile_size or dataset.panorama_width"
        )
    return lines


def batch_bytes(experiment: Experiment) -> int:
    """What the pixels of a batch take at least; every step sees two views of a place or more."""
    panorama, tile = _sizes(experiment)
    return experiment.contrast.batch * (tile + min(panorama, tile))


def stored_bytes(experiment: Experiment) -> int:
    """What the images of a rendered world take at least, once they are of the size that networks see."""
    dataset, (panorama, tile) = experiment.dataset, _sizes(experiment)
    world = dataset.synthetic
    places = world.train_places + world.validation_places
    if dataset.name == "synthetic":
        paired = 1 - world.queries_without_reference - world.references_without_query
        return int(places * paired) * (panorama + tile * (1 + experiment.projection.bev))
    return places * dataset.drone.views * min(panorama, tile) if dataset.name == "synthetic_drone" else 0


def shut(folder: Path) -> list[str]:
    """Why a run cannot be written to a folder, found by making a folder there and removing it."""
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".ucvgl-", dir=_nearest(folder)))
    except OSError as error:
        return [f"--run {folder}: it cannot be written ({error.strerror}); name another folder"]
    return []


def _sizes(experiment: Experiment) -> tuple[int, int]:
    """Bytes of a query and of a view from above, as networks see them."""
    dataset = experiment.dataset
    return 3 * dataset.panorama_height * dataset.panorama_width, 3 * dataset.tile_size**2


def _nearest(folder: Path) -> Path:
    """The folder itself, or what is there of the path to it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _gb(count: float) -> str:
    if count < 1e9:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:,.3g} GB" if count < 1e12 else f"{count / 1e9:,.0f} GB"
