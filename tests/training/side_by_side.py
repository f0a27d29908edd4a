"""Training workers beside each other: processes forked from one that has imported the core and run nothing of it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

LONGEST_S = 240
PROCESSES = multiprocessing.get_context("forkserver")
LOADED = (
    *("ucvgl.training.fit_towers", "ucvgl.training.fit_cyclegan", "ucvgl.training.fit_adapter"),
    *("ucvgl.programs.matching", "torch._dynamo"),
)
"""Whoever asks first in a process of tests says what is imported before; others import what they lack."""
Program = Callable[[Path], object]


def run_side_by_side(program: Program, size: int, folder: Path) -> None:
    """Run a program of one argument, the folder, on `size` workers; worker n writes its answer to `n.pt` there."""
    folder.mkdir(exist_ok=True)
    PROCESSES.set_forkserver_preload(list(LOADED))
    started = [PROCESSES.Process(target=_work, args=(program, rank, size, folder)) for rank in range(size)]
    for worker in started:
        worker.start()
    for worker in started:
        worker.join(LONGEST_S)
    assert [worker.exitcode for worker in started] == [0] * size


def _work(program: Program, rank: int, size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    torch.save(program(folder), folder / f"{rank}.pt")
    dist.destroy_process_group()
