"""What a job is sure to fail on, seen before anything starts: too little memory or disk, a folder that is shut."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
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
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if trains and batch > memory:
        lines.append(
            f"contrast.batch: the pixels of a batch take at least {_gb(batch)} of memory, and this machine has "
            f"{_gb(memory)}; lower contrast.batch, dataset.tile_size or dataset.panorama_width"
        )
    for setting, needed in network_bytes(experiment).items() if trains else ():
        if needed > memory:
            lines.append(
                f"{setting}: what is trained with it takes at least {_gb(needed)} of memory, and this machine has "
                f"{_gb(memory)}; lower it"
            )
    return lines


def batch_bytes(experiment: Experiment) -> int:
    """What the pixels of a batch take at least; every step sees two views of a place or more."""
    panorama, tile = _sizes(experiment)
    return experiment.contrast.batch * (tile + min(panorama, tile))


def network_bytes(experiment: Experiment) -> dict[str, int]:
    """What networks take at least while they are trained, by the setting that decides it, of our own ones."""
    translation, model = experiment.translation, experiment.model
    found = {}
    if translation.fake and translation.steps:  # two generators; weights, gradients and two averages of each
        found["translation.channels"] = 2 * translation.blocks * 2 * 9 * (4 * translation.channels) ** 2 * 16
    if model.backbone == "strided":
        heads = model.safa_heads if model.aggregation == "safa" else 1
        descriptor = "model.safa_heads" if heads > model.channels else "model.channels"
        found[descriptor] = 2 * experiment.contrast.batch * heads * model.channels * 4
        if model.aggregation == "safa":  # a map over all positions, of all positions
            positions = (experiment.dataset.tile_size // 8) ** 2
            weights = heads * positions**2 * 16
            found["model.safa_heads"] = max(weights, found.get("model.safa_heads", 0))
    return found


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
        before = os.stat(home := _nearest(folder))
        os.rmdir(tempfile.mkdtemp(prefix=".ucvgl-", dir=home))
        with suppress(OSError):  # it is somebody else's
            os.utime(home, ns=(before.st_atime_ns, before.st_mtime_ns))
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
