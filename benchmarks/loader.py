"""How long training waits for its images: the share of a step that reading takes, and reading alone.

python benchmarks/loader.py runs/synthetic          after `make demo`; trains on (panorama, tile) rows that are no pairs
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from ucvgl.images.image_store import ImageStore
from ucvgl.index.trained_run import TrainedRun
from ucvgl.training import fit_towers as fit
from ucvgl.training.batches import Pairs


def waited_share(run: TrainedRun, steps: int) -> tuple[float, float]:
    """Share of the processor time of training that reading and converting takes, and images per second of the whole."""
    stores = (run.path / "2_project/train/queries", run.path / "2_project/train/references")
    settings = run.experiment.contrast
    fewest = min(len(ImageStore(store)) for store in stores)
    rows = np.random.default_rng(0).permutation(fewest)[: steps * settings.batch]
    source = Pairs("any", ("query", "reference"), stores, rows, rows)
    spent: list[float] = []

    def timed(work):
        @functools.wraps(work)
        def asked(*arguments):
            start = time.thread_time()
            result = work(*arguments)
            spent.append(time.thread_time() - start)
            return result

        return asked

    device, start = torch.device("cpu"), time.process_time()
    with (
        mock.patch.object(ImageStore, "read", timed(ImageStore.read)),
        mock.patch.object(fit, "as_floats", timed(fit.as_floats)),
        tempfile.TemporaryDirectory() as folder,
    ):
        made = {"name": "loader", "epochs": 1, "settings": settings, "seed": 0, "device": device}
        fit.fit_towers(Path(folder), run.model.parent, [source], log=lambda *_, **__: None, **made)
    whole = time.process_time() - start
    return sum(spent) / whole, 2 * len(rows) / whole


def alone(run: TrainedRun, batches: int) -> float:
    """Images per second of reading batches at random and nothing else."""
    store, batch = ImageStore(run.path / "2_project/train/queries"), run.experiment.contrast.batch
    random = np.random.default_rng(0)
    start = time.thread_time()
    for _ in range(batches):
        fit.as_floats(torch.from_numpy(store.read(random.integers(0, len(store), batch))))
    return batches * batch / (time.thread_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = TrainedRun(options.run)
    share, whole = waited_share(run, options.steps)
    line = {"data_wait_share": round(share, 4), "training_images_per_s": round(whole)}
    print(json.dumps(line | {"loader_images_per_s": round(alone(run, 100))}))


if __name__ == "__main__":
    main()
