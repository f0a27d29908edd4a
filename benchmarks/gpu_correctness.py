"""Whether a card does what a processor does: programs killed and resumed, labels, descriptors."""

from __future__ import annotations

import functools
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from regimes import REGIMES

from ucvgl.atomic import write_array
from ucvgl.images.image_store import write_shard
from ucvgl.networks.adapter import Adapter, load_adapter, save_adapter
from ucvgl.networks.generator import load_generator
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.pseudo_labels.mutual_matching import matches, pseudo_labels
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.settings.experiment import Adaptation, Contrast, Model, Translation
from ucvgl.training import fit_adapter, fit_cyclegan, fit_towers
from ucvgl.training.batches import Pairs
from ucvgl.training.loop import run_steps

PLACES = 64
QUERY, REFERENCE = (32, 64), (32, 32)


class Killed(Exception):
    """Stands for the death of a worker."""


def programs(device: torch.device, quick: bool) -> dict[str, Any]:
    """Every program undisturbed, and killed after a checkpoint and begun again; how far the results are apart."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        _write_world(home)
        for what, fit in _programs(home, device).items():
            start = time.monotonic()
            try:
                found[what] = _killed_and_resumed(home / what, *fit)
            except Exception:  # the other programs have something to tell as well
                found[what] = {"failed": traceback.format_exc()}
            found[what]["took_s"] = round(time.monotonic() - start, 1)
    return found


def _write_world(home: Path) -> None:
    random = np.random.default_rng(0)
    ids = [f"place{number:02d}" for number in range(PLACES)]
    for name, size in (("queries", QUERY), ("references", REFERENCE)):
        write_shard(home / name, 0, ids, random.integers(0, 256, (PLACES, *size, 3), dtype=np.uint8))
    for name in ("query", "reference"):
        vectors = random.normal(size=(PLACES, 32)).astype(np.float32)
        write_array(home / f"{name}.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    torch.manual_seed(0)
    (home / "start").mkdir()
    save_adapter(Adapter(32), home / "start" / "adapter.pt")
    for backbone in ("strided", "convnext_atto"):
        (home / backbone).mkdir()
        towers = TwoTowers(Model(backbone=backbone, channels=16, safa_heads=2), QUERY, REFERENCE)
        save_towers(towers, home / backbone / "model.pt")


def _programs(home: Path, device: torch.device) -> dict[str, tuple[Callable, Callable, int]]:
    """By name: what trains into a folder, what it leaves behind, and the step whose log row kills it."""
    rows, stores = np.arange(PLACES), (home / "queries", home / "references")
    pairs = Pairs("label", ("query", "reference"), stores, rows, rows)
    contrast = Contrast(batch=16, learning_rate=1e-4)
    translation = Translation(fake=True, steps=12, batch=16, channels=8, blocks=1)
    labels = Labels(rows, rows, np.ones(PLACES))
    features = tuple([home / f"{view}.npy"] for view in ("query", "reference"))
    adaptation = Adaptation(batch=16, steps_per_round=12, turns=1)
    common: dict[str, Any] = {"seed": 7, "device": device}

    def towers(backbone: str, rows_at_once: int) -> tuple[Callable, Callable, int]:
        def fit(folder: Path, log: Callable) -> None:
            how = {"name": "towers", "epochs": 3, "settings": contrast, "rows_at_once": rows_at_once, "log": log}
            fit_towers.fit_towers(folder, home / backbone, [pairs], **how, **common)

        return fit, lambda folder: load_towers(folder / "model.pt").state_dict(), 6

    def cyclegan(folder: Path, log: Callable) -> None:
        tiles = home / "references"
        fit_cyclegan.fit_cyclegan(folder, tiles, tiles, settings=translation, log=log, **common)

    def adapter(folder: Path, log: Callable) -> None:
        how = {"name": "adapt", "settings": adaptation, "log": log}
        fit_adapter.fit_adapter(folder, home / "start", features, labels, **how, **common)

    return {
        "towers_strided": towers("strided", 0),
        "towers_convnext_atto": towers("convnext_atto", 0),
        "towers_convnext_atto_4_rows_at_once": towers("convnext_atto", 4),
        "cyclegan": (cyclegan, lambda folder: load_generator(folder / "to_tile.pt").state_dict(), 7),
        "adapter": (adapter, lambda folder: load_adapter(folder / "adapter.pt").state_dict(), 6),
    }


def _killed_and_resumed(folder: Path, fit: Callable, result: Callable, dies: int) -> dict[str, Any]:
    """Losses fall into step again only if all state came back, on the right device."""
    losses: dict[str, dict[int, dict[str, float]]] = {"undisturbed": {}, "resumed": {}}

    def log(into: str, last: int | None, **row: Any) -> None:
        if row["step"] == last:
            raise Killed
        kept = {key: value for key, value in row.items() if "loss" in key or key == "gradient"}
        losses[into][row["step"]] = kept

    for name in ("undisturbed", "resumed"):
        (folder / name).mkdir(parents=True)
    with _run_steps(log_seconds=0.0, checkpoint_seconds=1e9):
        fit(folder / "undisturbed", functools.partial(log, "undisturbed", None))
    with _run_steps(log_seconds=0.0, checkpoint_seconds=0.0, checkpoint_share=1e9), suppress(Killed):
        fit(folder / "resumed", functools.partial(log, "resumed", dies))
    with _run_steps(log_seconds=0.0, checkpoint_seconds=1e9):
        fit(folder / "resumed", functools.partial(log, "resumed", None))
    whole, again = (result(folder / name) for name in ("undisturbed", "resumed"))
    apart = max(float((whole[key].double() - again[key].double()).abs().max()) for key in whole)
    steps = sorted(losses["resumed"])
    wide = max(
        abs(losses["undisturbed"][step][key] - value) / (abs(value) + 1e-9)
        for step in steps
        for key, value in losses["resumed"][step].items()
    )
    return {
        "steps": len(losses["undisturbed"]),
        "steps_of_both_lives": len(steps),
        "largest_weight_difference": apart,
        "largest_relative_loss_difference": round(wide, 6),
        "last_losses": losses["undisturbed"][max(losses["undisturbed"])],
    }


@contextmanager
def _run_steps(**how: float) -> Iterator[None]:
    """Let the loop of every program log and save as often as this says."""
    with ExitStack() as patches:
        for program in (fit_towers, fit_cyclegan, fit_adapter):
            patches.enter_context(mock.patch.object(program, "run_steps", functools.partial(run_steps, **how)))
        yield


def matching(device: torch.device, quick: bool) -> dict[str, Any]:
    """Scores, partners and labels found on the device, against the processor's, over all regimes."""
    size = (300, 260, 160) if quick else (3000, 2600, 512)
    differences: dict[str, int] = {}
    for regime, make in REGIMES.items():
        queries, references = make(*size)
        expected = two_sided_topk(queries, references, k=3)
        label = pseudo_labels(matches(expected), min_margin=0.01)
        for dtype in (torch.bfloat16, torch.float32):
            found = two_sided_topk(queries, references, k=3, dtype=dtype, device=str(device), block=1024, tile=512)
            unlike = sum(int(np.sum(getattr(found, part) != value)) for part, value in vars(expected).items())
            unlike += int((pseudo_labels(matches(found), min_margin=0.01) != label).sum())
            differences[f"{regime}, {str(dtype).removeprefix('torch.')}"] = unlike
    return {"unlike_the_processor": differences}


def precision(device: torch.device, quick: bool) -> dict[str, Any]:
    """Descriptors in the device's fast numbers against float32: angle, order of similarities, labels."""
    size, backbone, count = (64, "convnext_atto", 32) if quick else (224, "convnext_small", 1024)
    torch.manual_seed(0)
    towers = TwoTowers(Model(backbone=backbone, shared=True), (size, size), (size, size)).to(device)
    random = torch.Generator(device=device).manual_seed(0)
    coarse = torch.rand(count, 3, size // 16, size // 16, generator=random, device=device)
    scenes = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    noise = torch.rand(2, count, 3, size, size, generator=random, device=device)
    views = [(0.8 * scenes + 0.2 * part).mul(255).byte().permute(0, 2, 3, 1).cpu().numpy() for part in noise]
    fast = [embed(towers, view, "reference") for view in views]
    with mock.patch("ucvgl.networks.towers.mixed_precision", lambda on: torch.autocast(on.type, enabled=False)):
        full = [embed(towers, view, "reference") for view in views]
    cosine = min(float((one * other).sum(1).min()) for one, other in zip(fast, full, strict=True))
    found = [matches(two_sided_topk(*some)) for some in (fast, full)]
    similar = [np.argsort(np.argsort((some[0] @ some[1].T).ravel())) for some in (fast, full)]
    return {
        "smallest_cosine": cosine,
        "rank_correlation_of_similarities": float(np.corrcoef(*similar)[0, 1]),
        "equal_best_references": float((found[0].reference == found[1].reference).mean()),
        "mutual": [float(some.mutual.mean()) for some in found],
        "equal_mutual": float((found[0].mutual == found[1].mutual).mean()),
        "right": [float((some.reference == np.arange(count)).mean()) for some in found],
    }
