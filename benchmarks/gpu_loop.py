"""The real loop of training on a card: images per second from disk, waits, and where it waits for the device."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from gpu_clock import seconds, wait
from gpu_step import Case

from ucvgl.images.image_store import write_shard
from ucvgl.networks.towers import save_towers
from ucvgl.settings.experiment import Contrast, Translation
from ucvgl.training import fit_cyclegan, fit_towers
from ucvgl.training.batches import Pairs
from ucvgl.training.loop import run_steps
from ucvgl.training.memory import rows_that_fit

WARM = 3
"""Steps before the clock counts."""


class Enough(Exception):
    """The last step is logged; what the training would write is not wanted."""


def loop_rate(case: Case, device: torch.device, *, steps: int) -> dict[str, Any]:
    """Pairs per second of `fit_towers` from image stores on disk, and what its steps wait for."""
    common: dict[str, Any] = {
        "name": "loop", "epochs": -(-steps // 3), "settings": Contrast(batch=case.batch, learning_rate=1e-4),
        "seed": 0, "device": device,
    }  # fmt: skip

    probed: dict[str, Any] = {}

    def probe(*asked: Any) -> int:
        start = time.perf_counter()
        probed["rows_probed"] = rows_that_fit(*asked)
        probed["probing_s"] = round(time.perf_counter() - start, 2)
        return probed["rows_probed"]

    def fit(home: Path, stores: tuple[Path, Path], log: Callable[..., None]) -> None:
        rows = np.arange(3 * case.batch)
        source = Pairs("label", ("query", "reference"), stores, rows, rows)
        (home / "start").mkdir()
        save_towers(case.towers(device), home / "start" / "model.pt")
        fit_towers.fit_towers(home, home / "start", [source], log=log, **common)

    with mock.patch.object(fit_towers, "rows_that_fit", probe):
        return _rate(fit_towers, fit, case, device) | probed | _copies(case, device)


def cyclegan_rate(case: Case, settings: Translation, device: torch.device) -> dict[str, Any]:
    """The same of `fit_cyclegan`, on images of the tiles' size."""

    def fit(home: Path, stores: tuple[Path, Path], log: Callable[..., None]) -> None:
        fit_cyclegan.fit_cyclegan(home, stores[1], stores[1], settings=settings, seed=0, device=device, log=log)

    return _rate(fit_cyclegan, fit, replace(case, batch=settings.batch), device)


def _rate(program: Any, fit: Callable, case: Case, device: torch.device) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        stores, watch = image_stores(home, case, 3 * case.batch), _Watch(device)
        last_row: dict[str, Any] = {}

        def log(**row: Any) -> None:
            last_row.update(row)
            if row["step"] == row["steps"]:
                watch.ended = time.perf_counter()  # its numbers were read: the device is done
                raise Enough

        with mock.patch.object(program, "run_steps", functools.partial(_watched, watch)), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = watch.heard
            try:
                fit(home, stores, log)
            except Enough:
                pass
            finally:
                watch.stop()
    begun = watch.begun[WARM:]
    taken = (watch.ended - begun[0]) / len(begun)
    return {
        "steps_per_s": round(1 / taken, 3),
        "pairs_per_s": round(case.batch / taken, 1),
        "step_ms": round(1000 * taken, 1),
        "host_ms_in_step": round(1000 * statistics.median(watch.inside[WARM:]), 1),
        "syncs_per_step": {place: round(times / watch.watched, 2) for place, times in watch.places.most_common(25)},
        "peak_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 1) if device.type == "cuda" else 0,
        "last_log_row": last_row,
    }


class _Watch:
    """When every step began, how long the host was inside it, and the lines that waited for the device.

    PyTorch tells of waits by warnings; a few steps in the middle are listened to, the others are timed.
    """

    def __init__(self, device: torch.device) -> None:
        self.begun: list[float] = []
        self.inside: list[float] = []
        self.places: Counter[str] = Counter()
        self.watched = 0
        self.ended = 0.0
        self._device = device

    def step(self, step: Callable[[int], Any], index: int) -> Any:
        listens = self._device.type == "cuda" and index in (1, 2)
        if self._device.type == "cuda":
            torch.cuda.set_sync_debug_mode("warn" if listens else "default")
        self.watched += listens
        if index == WARM:
            wait(self._device)
        start = time.perf_counter()
        self.begun.append(start)
        numbers = step(index)
        self.inside.append(time.perf_counter() - start)
        return numbers

    def heard(self, message: Any, category: Any, filename: str, lineno: int, *_: Any) -> None:
        if "synchroniz" in str(message) and "prototype" not in str(message):  # that is said of the watch itself
            self.places[f"{'/'.join(Path(filename).parts[-2:])}:{lineno}"] += 1

    def stop(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
        self.watched = max(1, self.watched)


def _watched(watch: _Watch, step: Callable[[int], Any], *args: Any, **kwargs: Any) -> None:
    run_steps(functools.partial(watch.step, step), *args, **kwargs)


def image_stores(home: Path, case: Case, count: int) -> tuple[Path, Path]:
    """Random images of both kinds in stores of their own, as a stage would have left them."""
    random = np.random.default_rng(0)
    ids = [f"place{number:04d}" for number in range(count)]
    for name, size in (("queries", case.query), ("references", case.reference)):
        write_shard(home / name, 0, ids, random.integers(0, 256, (count, *size, 3), dtype=np.uint8))
    return home / "queries", home / "references"


def _copies(case: Case, device: torch.device) -> dict[str, float]:
    """Milliseconds to copy the tiles of a batch to the device, from pageable and from pinned memory."""
    batch = torch.zeros(case.batch, *case.reference, 3, dtype=torch.uint8)
    if device.type != "cuda":
        return {}
    pinned = batch.pin_memory()
    return {
        "copy_pageable_ms": round(1000 * seconds(lambda: batch.to(device), device), 2),
        "copy_pinned_ms": round(1000 * seconds(lambda: pinned.to(device, non_blocking=True), device), 2),
    }
