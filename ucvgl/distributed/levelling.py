"""How far from level photos are taken, learned from those of the training area before any is projected."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from ucvgl.atomic import write_array
from ucvgl.distributed.cluster import placed
from ucvgl.distributed.framing import read_frames
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.stream import Step, stream
from ucvgl.files import cached
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage
from ucvgl.images.exif import exif_of
from ucvgl.images.storage import read
from ucvgl.projection.level import FRAME, LEVEL, Level
from ucvgl.projection.preprocessing import fov_of
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Experiment
from ucvgl.training.fit_level import fit_level

logger = logging.getLogger(__name__)

MOST, LEAST = 4000, 200
"""Photos that the network learns from, and how many it takes to learn anything."""
LOOKED_AT = 64
"""Photos by which the angle of a frame is chosen, where each has its own."""


def learn_level(folder: Path, queries: pa.Table, *, experiment: Experiment, machines: Crew) -> Level | None:
    """A network that tells how far from level a photo was taken; None where there are too few photos to learn from.

    It is kept as `level.npz`; one that is there is taken.

    Args:
        folder: where the stage writes.
        queries: the training photos, `id, uri`.
        machines: who trains.
    """
    path = folder / LEVEL
    lens = experiment.dataset.lens(experiment.projection)
    assert lens is not None
    if not cached.exists(path):
        rows = np.random.default_rng(experiment.seed).permutation(queries.num_rows)[:MOST]
        uris = queries["uri"].take(np.sort(rows)).to_pylist()
        if len(uris) < LEAST or not (angles := _angles(uris[:LOOKED_AT], lens)):
            logger.warning("%d photos are too few to learn how they were held: all are taken for level", len(uris))
            return None
        frame_deg = round(median(angles), 1)
        frames, shown = _frames(uris, lens, frame_deg, experiment)
        if len(frames) < LEAST:
            logger.warning("%d photos can be read, too few to learn how they were held", len(frames))
            return None
        write_array(folder / "frames.npy", frames)
        write_array(folder / "shown.npy", shown)
        machines.run(fit_level, folder=folder, frame_deg=frame_deg, seed=experiment.seed)
        machines.rest()  # images are read by as many processes as there are CPUs, and workers hold these
    for name in ("frames.npy", "shown.npy"):  # also those of a job that was killed after it had learned
        cached.remove(folder / name)
    return Level.from_bytes(cached.here(path).read_bytes(), str(path))


def _angles(uris: Sequence[str], lens: Lens) -> list[float]:
    if lens.fov_deg:
        return [lens.fov_deg]
    found = []
    for uri in uris:
        try:
            found.append(fov_of(exif_of(read(uri, most=MAX_BYTES)), lens, uri))
        except (BadImage, OSError):
            continue
    return found


def _frames(
    uris: Sequence[str], lens: Lens, frame_deg: float, experiment: Experiment
) -> tuple[np.ndarray, np.ndarray]:
    size = experiment.resources.images_per_shard
    rows = [{"number": start, "uri": list(uris[start : start + size])} for start in range(0, len(uris), size)]
    settings = {"lens": lens, "frame_deg": frame_deg}
    progress, found = Progress("level", len(uris)), []
    # in:          number, uri [n]
    # read_frames: number, frames (raw pixels of the good ones), shown (of the same), images (how many were read)
    for row in stream(rows, Step(read_frames, settings, at_once=placed(experiment.resources).image_cpus)):
        found.append(row)
        progress.advance(row["images"])
    found.sort(key=lambda row: row["number"])
    frames = np.frombuffer(b"".join(row["frames"] for row in found), np.uint8).reshape(-1, FRAME, FRAME, 3)
    return frames, np.frombuffer(b"".join(row["shown"] for row in found), np.float32).reshape(-1, 2)
