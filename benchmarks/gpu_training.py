"""Images per second, memory and waits of training and embedding, at the sizes and batches of the presets."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from gpu_clock import peak_gb, release, seconds, wait
from gpu_loop import cyclegan_rate, loop_rate
from gpu_step import BASE_384, DEMO, SMALL_224, BareStep, Case, toy
from torch.utils.flop_counter import FlopCounterMode

from ucvgl.networks.backbone import _norms_in_few_digits
from ucvgl.networks.towers import embed
from ucvgl.settings.presets import PRESETS

BFLOAT16_FLOPS = 989e12
"""Of an H100 SXM, dense: what MFU is a share of."""


def base_384(device: torch.device, quick: bool) -> dict[str, Any]:
    """ConvNeXt-B at 384 x 384, as in `cvusa` and `cvact`."""
    return _bare(toy(BASE_384) if quick else BASE_384, device)


def small_224(device: torch.device, quick: bool) -> dict[str, Any]:
    """ConvNeXt-S at 224, as in `folder`."""
    return _bare(toy(SMALL_224) if quick else SMALL_224, device)


def loop_base_384(device: torch.device, quick: bool) -> dict[str, Any]:
    """The real loop, with images read from disk, at the same size."""
    return _loops(toy(BASE_384) if quick else BASE_384, device, quick, steps=16)


def loop_small_224(device: torch.device, quick: bool) -> dict[str, Any]:
    """The same of the small one."""
    return _loops(toy(SMALL_224) if quick else SMALL_224, device, quick, steps=24)


def loop_demo(device: torch.device, quick: bool) -> dict[str, Any]:
    """Steps per second of the demo's network: all of it is overhead on a large card."""
    case = toy(DEMO) if quick else DEMO
    bare = BareStep(case, device, rows_at_once=0)
    taken = seconds(bare, device, times=20, warm=5)
    return {"bare_steps_per_s": round(1 / taken, 1), **_loops(case, device, quick, steps=100)}


def cyclegan(device: torch.device, quick: bool) -> dict[str, Any]:
    """The CycleGAN of `cvact`."""
    case, settings = (toy(BASE_384) if quick else BASE_384), PRESETS["cvact"]().translation
    small = {"steps": 8, "batch": 4, "channels": 8, "blocks": 1} if quick else {"steps": 24}
    return cyclegan_rate(case, replace(settings, **small), device)


def norms(device: torch.device, quick: bool) -> dict[str, Any]:
    """Layer normalisation in float32, as autocast asks for, and as ours computes it on a card."""
    case = toy(BASE_384) if quick else BASE_384
    found = {}
    for name, built in (("float32", nullcontext), ("as products", _norms_in_few_digits)):
        with mock.patch("ucvgl.networks.backbone._norms_in_few_digits", built):
            step = BareStep(case, device, case.rows[1], fused=True)
            found[name] = {"peak_gb": peak_gb(step, device), **_speed(step, case, device, times=3)}
            found[name]["embed_images_per_s"] = _embedding(case, device)["embed_images_per_s"]
        step = None
        release(device)
    return found


def compiled_blocks(device: torch.device, quick: bool) -> dict[str, Any]:
    """Every block of ConvNeXt-B through `torch.compile`: a graph per kind of block, not one of all."""
    case = toy(BASE_384) if quick else BASE_384
    found = {}
    for rows in case.rows[1:2]:
        step = BareStep(case, device, rows, fused=True)
        torch._dynamo.config.recompile_limit = 64
        for module in step.towers.modules():
            if type(module).__name__ == "ConvNeXtBlock":
                module.compile(dynamic=False, backend=_backend(device))
        compiling = seconds(step, device, times=1, warm=0)
        peak = peak_gb(step, device)
        found[f"{rows} rows"] = {"compile_s": round(compiling, 1), "peak_gb": peak, **_speed(step, case, device)}
    return found


def compiled_whole(device: torch.device, quick: bool) -> dict[str, Any]:
    """Whole encoders through `torch.compile`, which takes long to compile."""
    case = toy(SMALL_224) if quick else SMALL_224
    step = BareStep(case, device, rows_at_once=_rows_that_fit(case, device))
    for encoder in {step.towers.query_encoder, step.towers.reference_encoder}:
        encoder.compile(dynamic=False, backend=_backend(device))
    compiling = seconds(step, device, times=1, warm=0)
    return {"compile_s": round(compiling, 1), **_speed(step, case, device)}


def _bare(case: Case, device: torch.device) -> dict[str, Any]:
    """One resident batch: speed and memory by rows per pass, then by how the step is computed."""
    found: dict[str, Any] = {"case": str(case), "forward_gflop_per_pair": round(_flops(case, device) / 1e9, 1)}
    table: dict[str, Any] = {}
    for rows in case.rows:
        try:
            step = BareStep(case, device, rows_at_once=rows)
            peak = peak_gb(step, device)
            table[str(rows)] = {"peak_gb": peak, **({} if peak is None else _speed(step, case, device, times=3))}
        except torch.cuda.OutOfMemoryError:
            table[str(rows)] = {"peak_gb": None}
        step = None
        release(device)
    found["by_rows_at_once"] = table
    found["encoder_alone_peak_gb"] = _encoder_peaks(case, device)
    fit = [int(rows) for rows, row in table.items() if row["peak_gb"] is not None]
    rows = max(fit, key=lambda rows: table[str(rows)]["pairs_per_s"])
    found["rows_chosen"] = rows
    found["ways"] = {}
    for name, way in _ways().items():
        try:
            found["ways"][name] = way(case, device, rows)
        except Exception as error:  # a way that does not run is an answer
            found["ways"][name] = {"failed": f"{type(error).__name__}: {error}"[:2000]}
        release(device)
    found["embedding"] = _embedding(case, device)
    return found


def _ways() -> dict[str, Callable[[Case, torch.device, int], dict[str, Any]]]:
    return {
        "parts": _parts,
        "as_is": lambda case, device, rows: _speed(BareStep(case, device, rows), case, device),
        "fused_optimiser": lambda case, device, rows: _speed(BareStep(case, device, rows, fused=True), case, device),
        "contiguous": _contiguous,
        "kernels": _kernels,
    }


def _parts(case: Case, device: torch.device, rows: int) -> dict[str, float]:
    """Milliseconds of the parts of a step."""
    step = BareStep(case, device, rows)
    step()
    parts = {"augment": step.augmented, "optimise": step.optimise, "average": step.average_weights}
    found = {f"{name}_ms": round(1000 * seconds(part, device), 2) for name, part in parts.items()}
    found["together_ms"] = round(1000 * seconds(step.average_together, device), 2)
    return found


def _backend(device: torch.device) -> str:
    """Without a card nothing is compiled: only the graphs are traced."""
    return "inductor" if device.type == "cuda" else "eager"


def _contiguous(case: Case, device: torch.device, rows: int) -> dict[str, Any]:
    """Without channels_last."""

    def plain(images: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        deviation, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
        return (images - mean) / (deviation + 1e-2)

    with mock.patch("ucvgl.networks.towers.standardised", plain):
        step = BareStep(case, device, rows)
        step.towers.to(memory_format=torch.contiguous_format)
        return _speed(step, case, device)


def _kernels(case: Case, device: torch.device, rows: int) -> dict[str, Any]:
    """What the time of a step goes to: the costliest operators, milliseconds."""
    step = BareStep(case, device, rows)
    step()
    wait(device)
    activity = torch.profiler.ProfilerActivity
    activities = [activity.CPU] + ([activity.CUDA] if device.type == "cuda" else [])
    with torch.profiler.profile(activities=activities) as profile:
        step()
        wait(device)
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows_by_cost = sorted(profile.key_averages(), key=lambda row: -getattr(row, own))[:24]
    return {row.key[:90]: [round(getattr(row, own) / 1000, 2), row.count] for row in rows_by_cost}


def _speed(step: BareStep, case: Case, device: torch.device, *, times: int = 5) -> dict[str, float]:
    taken = seconds(step, device, times=times, warm=2)
    work = 3 * case.batch * _flops(case, device)
    return {
        "step_ms": round(1000 * taken, 1),
        "pairs_per_s": round(case.batch / taken, 1),
        "images_per_s": round(2 * case.batch / taken, 1),
        "mfu": round(work / taken / BFLOAT16_FLOPS, 4),
    }


_counted: dict[Case, float] = {}


def _flops(case: Case, device: torch.device) -> float:
    """Of both encoders' forward pass, for one pair."""
    if case not in _counted:
        towers = case.towers(device).eval()
        images = [torch.zeros(1, 3, *size, device=device) for size in (case.query, case.reference)]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            towers(*images)
        _counted[case] = float(counter.get_total_flops())
    return _counted[case]


def _encoder_peaks(case: Case, device: torch.device) -> dict[str, float | None]:
    """Peak of forward and backward of one encoder by number of images, above what lay there: is it linear?"""
    step = BareStep(case, device, rows_at_once=0)
    encoder = step.towers.query_encoder
    found: dict[str, float | None] = {}
    for rows in sorted({max(1, case.batch // part) for part in (16, 8, 4, 2)}):

        def work(rows: int = rows) -> None:
            images = torch.rand(rows, 3, *case.query, device=device)
            with step.precision():
                encoder(images).sum().backward()

        held = torch.cuda.memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
        peak = peak_gb(work, device)
        found[str(rows)] = None if peak is None else round(peak - held, 2)
        encoder.zero_grad(set_to_none=True)
    return found


def _rows_that_fit(case: Case, device: torch.device) -> int:
    for rows in case.rows:
        step = BareStep(case, device, rows_at_once=rows)
        if peak_gb(step, device) is not None:
            return rows
        release(device)
    raise MemoryError(f"{case} does not fit in any number of rows")


def _embedding(case: Case, device: torch.device) -> dict[str, Any]:
    """Images per second of the tile encoder: from host memory to host memory as `embed` does, and of the network."""
    towers = case.towers(device).to(memory_format=torch.channels_last)
    images = np.random.default_rng(0).integers(0, 256, (2 * case.batch, *case.reference, 3), dtype=np.uint8)
    step = BareStep(case, device, rows_at_once=0)
    resident = torch.rand(case.batch, 3, *case.reference, device=device)

    @torch.inference_mode()
    def network() -> None:
        with step.precision():
            towers.reference_encoder.eval()(resident)

    ways = {"embed": (lambda: embed(towers, images, "reference"), len(images)), "network": (network, case.batch)}
    found = {}
    for name, (work, count) in ways.items():
        found[f"{name}_images_per_s"] = round(count / seconds(work, device, times=3, warm=1), 1)
    half = copy.deepcopy(towers).to(torch.bfloat16)

    @torch.inference_mode()
    def halved() -> None:
        half.reference_encoder.eval()(resident.bfloat16())

    found["network_in_bfloat16_images_per_s"] = round(case.batch / seconds(halved, device, times=3, warm=1), 1)
    return found


def _loops(case: Case, device: torch.device, quick: bool, *, steps: int) -> dict[str, Any]:
    """Rows per pass are those that probing finds."""
    return loop_rate(case, device, steps=8 if quick else steps)
