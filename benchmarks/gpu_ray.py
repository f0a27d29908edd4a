"""What a Ray Train worker costs on a card: the same training here and there, in turns, and the bare step."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_clock import release, seconds
from gpu_loop import image_stores
from gpu_step import BASE_384, BareStep, toy

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.placement import Placement
from ucvgl.distributed.worker_group import WorkerGroup
from ucvgl.networks.towers import save_towers
from ucvgl.settings.experiment import Contrast, Resources
from ucvgl.training.batches import Pairs
from ucvgl.training.fit_towers import fit_towers

TURNS, BATCHES, EPOCHS = 2, 3, 8


def base_384(device: torch.device, quick: bool) -> dict[str, Any]:
    """ConvNeXt-B at 384 x 384; images/s are what the logs of the trainings say once they are at speed."""
    case = toy(BASE_384) if quick else BASE_384
    bare = seconds(BareStep(case, device, rows_at_once=0), device, times=5, warm=3)
    rates: dict[str, list[float]] = {"our loop": [], "Ray Train": []}
    with tempfile.TemporaryDirectory() as name:
        home, count = Path(name), BATCHES * case.batch
        stores, rows, told = image_stores(home, case, count), np.arange(count), []
        (home / "start").mkdir()
        save_towers(case.towers(device), home / "start" / "model.pt")
        release(device)
        training: dict[str, Any] = {
            "start": home / "start", "name": "loop", "epochs": 2 if quick else EPOCHS, "seed": 0,
            "sources": [Pairs("label", ("query", "reference"), stores, rows, rows)],
            "settings": Contrast(batch=case.batch, learning_rate=1e-4),
        }  # fmt: skip
        connect(Resources(workers=1))
        gpus = int(device.type == "cuda")
        with WorkerGroup(home, Placement(1, 1, gpus, 1), lambda **row: told.append(row)) as group:
            ways: dict[str, Callable[[Path], Any]] = {
                "our loop": lambda to: fit_towers(to, **training, device=device, log=lambda **row: told.append(row)),
                "Ray Train": lambda to: group.run(fit_towers, folder=to, **training),
            }
            for turn in range(TURNS):
                for way, train in ways.items():
                    told.clear()
                    (to := home / f"{way} {turn}").mkdir()
                    train(to)
                    release(device)
                    speeds = [row["images_per_s"] for row in told if "images_per_s" in row]
                    rates[way].append(statistics.median(speeds[1:] or speeds))
    found = {"bare step, images/s": round(2 * case.batch / bare, 1)}
    return found | {f"{way}, images/s": rate for way, rate in rates.items()}
