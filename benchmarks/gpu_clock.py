"""Time and memory of work on a device: what is asked for is done before the clock is read."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch


def seconds(work: Callable[[], Any], device: torch.device, *, times: int = 5, warm: int = 2) -> float:
    """The median of several runs of `work`, by the device's own events where it has them."""
    for _ in range(warm):
        work()
    if device.type != "cuda":
        return statistics.median(_by_the_clock(work) for _ in range(times))
    taken = []
    for _ in range(times):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        work()
        last.record()
        last.synchronize()
        taken.append(first.elapsed_time(last) / 1000)
    return statistics.median(taken)


def _by_the_clock(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gb(work: Callable[[], Any], device: torch.device) -> float | None:
    """The most memory that `work` had allocated; None where it ran out of it, 0 without a card."""
    if device.type != "cuda":
        work()
        return 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        work()
    except torch.cuda.OutOfMemoryError:
        return None
    finally:
        torch.cuda.synchronize(device)
    return round(torch.cuda.max_memory_allocated(device) / 1e9, 2)


def wait(device: torch.device) -> None:
    """Until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release(device: torch.device) -> None:
    """Give back what the last measurement held."""
    gc.collect()
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
