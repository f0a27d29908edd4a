"""What training through Ray Train costs, what gradient caching saves, and what workers change: nothing.

    python benchmarks/scaling.py --parts overhead overhead_384 memory same

`overhead` trains the demo's encoders on random images, interleaved: a bare PyTorch loop with all images in memory, our
loop in this process, and our loop on Ray Train workers, at equal cores; ours read from disk. `overhead_384` does so
with ConvNeXt-atto and images of 384 x 384. `memory` is the peak of one process by batch. `same` is the difference that
workers and parts make to losses and weights, in float32.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from origin import measured_here

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.placement import Placement
from ucvgl.distributed.worker_group import WorkerGroup
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.networks.towers import load_towers, save_towers
from ucvgl.settings.dataset import Dataset
from ucvgl.settings.experiment import Contrast, Experiment, Model, Resources
from ucvgl.stages.cold_start import new_towers
from ucvgl.training.augment import Draws
from ucvgl.training.batches import Pairs
from ucvgl.training.descent import CLIP_GRADIENT
from ucvgl.training.fit_towers import augment, fit_towers
from ucvgl.training.infonce import info_nce

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """What is trained: encoders, images and batch by the settings; an epoch of so many images."""

    experiment: Experiment
    images: int

    @property
    def steps(self) -> int:
        return self.images // self.experiment.contrast.batch


DEMO = Case(Experiment(), 2048)
LARGE = Case(
    Experiment(
        dataset=Dataset(name="folder", panorama_height=384, panorama_width=384, tile_size=384),
        model=Model(backbone="convnext_atto"),
        contrast=Contrast(batch=16),
    ),
    images=96,
)
BATCHES, PARTS = (128, 512, 2048), (0, 64)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["overhead", "memory", "same"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="of Ray Train, one core each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scaling.json"))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    wish = parser.parse_args(argv)
    if wish.one:
        print(_peak(Path(wish.one[0]), int(wish.one[1]), int(wish.one[2])))
        return 0
    result: dict[str, Any] = json.loads(wish.out.read_text()) if wish.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for part, case in (("overhead", DEMO), ("overhead_384", LARGE)):
            if part in wish.parts:
                (inside := Path(folder) / part).mkdir()
                rates = overhead(inside, case, wish.workers, wish.repeats)
                result[f"{part}, {wish.workers} workers"] = rates | measured_here()
        _prepare(Path(folder), DEMO)
        if "memory" in wish.parts:
            result["memory"] = [line | measured_here() for line in memory(Path(folder))]
        if "same" in wish.parts:
            result["same"] = [line | measured_here() for line in same(Path(folder))]
    wish.out.parent.mkdir(parents=True, exist_ok=True)
    wish.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def overhead(folder: Path, case: Case, workers: int, repeats: int) -> dict[str, float]:
    """Images/s of each way, as a share of the bare loop's at the same number of cores."""
    _prepare(folder, case)
    torch.set_num_threads(workers)
    connect(Resources(workers=workers, worker_cpus=1))
    rates: dict[str, list[float]] = {"bare loop": [], "our loop": [], f"Ray Train, {workers} workers": []}
    with WorkerGroup(folder, Placement(workers, 1, 0, 1), lambda **_: None) as group:
        ways = [
            partial(_bare, folder, case),
            partial(_timed, case, partial(_fit, folder, case)),
            partial(_timed, case, partial(_on_ray, group, folder, case)),
        ]
        for turn in range(repeats + 1):
            for name, way in zip(rates, ways, strict=True):
                rate = way()
                if turn:  # the first one compiles and starts
                    rates[name].append(rate)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    shares = {name: round(rate / medians["bare loop"], 3) for name, rate in medians.items()}
    print(f"images/s of {medians['bare loop']:.0f} in a bare loop, at {workers} cores:")
    for name, share in shares.items():
        print(f"  {name}: {share:.3f} ({min(rates[name]):.0f} to {max(rates[name]):.0f} images/s)")
    return shares


def memory(folder: Path) -> list[dict[str, int]]:
    """Peak MB of a process of its own, by batch and images at a time."""
    found = []
    for batch in BATCHES:
        for part in PARTS:
            command = [sys.executable, __file__, "--one", str(folder), str(batch), str(part)]
            peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            found.append({"batch": batch, "images_at_once": part, "peak_mb": peak})
            print(f"batch {batch}, {part or 'all'} images at once: peak {peak} MB")
    return found


def same(folder: Path) -> list[dict[str, Any]]:
    """Largest relative difference of a loss, and distance of the weights as a share of their length."""
    sys.path.insert(0, str(ROOT))
    from tests.training.one_worker import prepare, train
    from tests.training.side_by_side import run_side_by_side
    from tests.training.test_same_answer import apart

    (folder / "same").mkdir()
    prepare(folder / "same")
    found, first = [], None
    for workers in (1, 2, 3):
        run_side_by_side(train, workers, folder / "same" / f"{workers} workers")
        cases = torch.load(folder / "same" / f"{workers} workers" / "0.pt")
        first = first or cases
        for case, (losses, weights) in cases.items():
            expected = first["towers, 0 rows at once" if "towers" in case else case]
            by = max((abs(a / b - 1) for a, b in zip(losses, expected[0], strict=False)), default=0.0)
            row = {"workers": workers, "case": case, "loss": by, "weights": apart(weights, expected[1])}
            print(f"{workers} workers, {case}: losses within {by:.1e}, weights within {row['weights']:.1e}")
            found.append(row)
    return found


def _prepare(folder: Path, case: Case) -> None:
    experiment, rng = case.experiment, np.random.default_rng(0)
    dataset = experiment.dataset
    ids = [f"{number:06d}" for number in range(case.images)]
    for name, size in (
        ("queries", (dataset.panorama_height, dataset.panorama_width)),
        ("references", (dataset.tile_size, dataset.tile_size)),
    ):
        write_shard(folder / name, 0, ids, rng.integers(0, 256, (case.images, *size, 3), dtype=np.uint8))
    (folder / "start").mkdir()
    save_towers(new_towers(experiment), folder / "start" / "model.pt")


def _bare(folder: Path, case: Case) -> float:
    """The step as one would write it without any of this project's machinery: images in memory, nothing logged."""
    settings = case.experiment.contrast
    towers = load_towers(folder / "start" / "model.pt")
    optimizer = torch.optim.AdamW(towers.parameters(), settings.learning_rate)
    images = [
        torch.from_numpy(ImageStore(folder / name).read(np.arange(case.images))).permute(0, 3, 1, 2)
        for name in ("queries", "references")
    ]
    batch = settings.batch
    start = time.perf_counter()
    for index in range(case.steps):
        draws = Draws((0, index), batch, slice(0, batch))
        quarters, flip = draws.choice(4), draws.chance(0.5)
        rows = torch.randperm(case.images)[:batch]
        sides = [
            augment(stack[rows].float().div_(255), view, draws, quarters, flip, settings)
            for stack, view in zip(images, ("query", "reference"), strict=True)
        ]
        with torch.autocast("cpu", torch.bfloat16):
            first, second, scale = towers(*sides)
        loss = info_nce(first, second, scale, label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(towers.parameters(), CLIP_GRADIENT)
        optimizer.step()
    return case.steps * 2 * batch / (time.perf_counter() - start)


def _timed(case: Case, train: Callable[[], Any]) -> float:
    start = time.perf_counter()
    train()
    return case.steps * 2 * case.experiment.contrast.batch / (time.perf_counter() - start)


def _arguments(folder: Path, case: Case, batch: int = 0) -> dict[str, Any]:
    settings = case.experiment.contrast
    rows = np.arange(case.images)
    stores = (folder / "queries", folder / "references")
    (folder / "fit").mkdir(exist_ok=True)
    return {
        "folder": folder / "fit", "start": folder / "start", "name": "fit", "epochs": 1, "seed": 0,
        "sources": [Pairs("pairs", ("query", "reference"), stores, rows, rows)],
        "settings": replace(settings, batch=batch or settings.batch),
    }  # fmt: skip


def _fit(folder: Path, case: Case) -> None:
    fit_towers(**_arguments(folder, case), device=torch.device("cpu"), log=lambda **_: None)


def _on_ray(group: WorkerGroup, folder: Path, case: Case) -> None:
    group.run(fit_towers, **_arguments(folder, case))


def _peak(folder: Path, batch: int, part: int) -> int:
    torch.set_num_threads(1)
    arguments = _arguments(folder, DEMO, batch) | {"folder": Path(tempfile.mkdtemp(dir=folder))}
    fit_towers(**arguments, device=torch.device("cpu"), log=lambda **_: None, rows_at_once=part)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(main(sys.argv[1:]))
