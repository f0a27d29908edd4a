"""Matching on a card at VIGOR's size, against the bare product that it cannot do without."""

from __future__ import annotations

import cProfile
import pstats
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from gpu_clock import seconds, wait

from ucvgl.pseudo_labels.whitening import whitening
from ucvgl.retrieval.topk import two_sided_topk

VIGOR = (105_214, 90_618)
BLOCK = 8192


def vigor(device: torch.device, quick: bool) -> dict[str, Any]:
    """Descriptors of 1024 numbers."""
    return _measured(device, (600, 500, 256) if quick else (*VIGOR, 1024))


def vigor_wide(device: torch.device, quick: bool) -> dict[str, Any]:
    """Descriptors of 8192 numbers, as 8 heads of ConvNeXt-B have."""
    return _measured(device, (600, 500, 512) if quick else (*VIGOR, 8192))


def whitenings(device: torch.device, quick: bool) -> dict[str, Any]:
    """The whitening of as many numbers as a descriptor of the preset `folder` has, against that of a processor."""
    count, d = (500, 96) if quick else (20_000, 6144)
    vectors = _trained(count, 2, d, device=device)[0]
    here, there = (whitening(vectors[:, :768], shrinkage=0.03, device=where) for where in ("cpu", device))
    return {
        "shape": (count, d),
        "ours_s": round(seconds(lambda: whitening(vectors, shrinkage=0.03, device=device), device, times=1, warm=1), 4),
        "off_by": float(abs(here.matrix - there.matrix).max() / abs(here.matrix).max()),
    }


def _measured(device: torch.device, shape: tuple[int, int, int]) -> dict[str, Any]:
    views = _trained(*shape, device=device)
    found: dict[str, Any] = {"shape": shape}
    halves = [torch.from_numpy(view).to(device).bfloat16() for view in views]
    found["bare_product_s"] = seconds(lambda: _product(*halves), device, times=3, warm=1)
    found["product_and_topk_s"] = seconds(lambda: _product_and_topk(*halves), device, times=1, warm=1)
    del halves
    start = time.perf_counter()
    sides = [torch.from_numpy(view).to(device) for view in views]
    wait(device)
    found["upload_s"] = time.perf_counter() - start
    del sides
    two_sided_topk(*(view[:300] for view in views), device=str(device))  # compiles what counts on the host
    start = time.perf_counter()
    best = two_sided_topk(*views, device=str(device))
    found["ours_s"] = time.perf_counter() - start
    profile = cProfile.Profile()
    with mock.patch("ucvgl.retrieval.search.ThreadPoolExecutor", _InLine):  # a profile sees one thread
        profile.runcall(two_sided_topk, *views, device=str(device))
    found["profile_s"] = _costliest(profile)
    found["rows_with_a_partner"] = float((best.row_index[:, 0] >= 0).mean())
    found["hits_of_float32"] = _agreement(views, best.row_index[:, 0], device)
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in found.items()}


class _InLine:
    """A pool of no threads."""

    def __init__(self, _: int) -> None:
        self.map = map

    def __enter__(self) -> _InLine:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _trained(n: int, m: int, d: int, *, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """As `regimes.trained`, made on the device."""
    random = torch.Generator(device=device).manual_seed(0)
    spectrum = (1 + torch.arange(d, device=device)) ** -0.5
    places = torch.randn(max(n, m), d, generator=random, device=device)

    def view(count: int, common: float) -> np.ndarray:
        vectors = 0.7 * torch.randn(count, d, generator=random, device=device)
        vectors.add_(places[:count]).mul_(spectrum).add_(common)
        return torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()

    return view(n, 0.02), view(m, 0.03)


def _product(queries: torch.Tensor, references: torch.Tensor) -> None:
    room = torch.empty(BLOCK * BLOCK, dtype=queries.dtype, device=queries.device)
    for left in queries.split(BLOCK):
        for right in references.split(BLOCK):
            torch.mm(left, right.T, out=room[: len(left) * len(right)].view(len(left), len(right)))


def _product_and_topk(queries: torch.Tensor, references: torch.Tensor) -> None:
    """What one would write in a few lines of PyTorch: not exact, and both sides' best two."""
    for left in queries.split(BLOCK):
        for right in references.split(BLOCK):
            product = left @ right.T
            product.topk(2, dim=1)
            product.topk(2, dim=0)


def _agreement(views: tuple[np.ndarray, np.ndarray], best: np.ndarray, device: torch.device) -> float:
    """Share of some queries whose best reference is that of float32 products."""
    some = torch.from_numpy(views[0][:512]).to(device)
    scores = torch.cat([(some @ torch.from_numpy(part).to(device).T) for part in np.array_split(views[1], 12)], 1)
    return float((scores.argmax(1).cpu().numpy() == best[:512]).mean())


def _costliest(profile: cProfile.Profile) -> dict[str, list[float]]:
    stats = pstats.Stats(profile).stats  # pyright: ignore[reportAttributeAccessIssue]
    rows = sorted(stats.items(), key=lambda item: -item[1][2])[:15]
    return {
        f"{'/'.join(Path(place[0]).parts[-2:])}:{place[1]} {place[2]}": [round(cost[2], 3), cost[0]]
        for place, cost in rows
    }
