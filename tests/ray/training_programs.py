"""Programs for the tests of `WorkerGroup`; workers import them from here."""

import gc
import os
import time

import torch
import torch.distributed as dist

from ucvgl.distributed.collective import MeetingPlace, RaysNetwork


class NetworkOfGpus(RaysNetwork):
    """As on machines whose GPUs PyTorch finds: NCCL is tried, and here it fails, as there is no GPU."""

    @property
    def backend_cls(self) -> type:
        return _BelievesInGpus


class _BelievesInGpus(MeetingPlace):
    def without_gpu(self, worker_group):
        return ""


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def total(*, device, log, number):
    """The sum over the workers of (rank + 1) * number."""
    share = torch.tensor(float((rank() + 1) * number), device=device)
    if dist.is_initialized():
        dist.all_reduce(share)
    log(step=0, number=number)
    return share.item()


def fail(*, device, log, folder):
    (folder / f"tried-{rank()}-{time.time_ns()}").touch()
    if rank() == 0:
        raise ValueError("the pond is dry; fill it")
    dist.barrier()


def keep(*, device, log, pieces):
    """Say of each of so many pieces that it is kept."""
    for _ in range(pieces):
        log(kept=1)


def seldom_looked_through(*, device, log):
    """Objects that no collection of garbage looks at."""
    return gc.get_freeze_count()


def misspell(*, device, log):
    return {}["no such key"]


def count_slowly(*, device, log, folder, steps):
    """Count in a checkpoint file, all workers in step; returns where this attempt began."""
    checkpoint = folder / "step"
    begin = int(checkpoint.read_text()) if checkpoint.exists() else 0
    (folder / f"pid-{rank()}").write_text(str(os.getpid()))
    for step in range(begin, steps):
        total(device=device, log=lambda **_: None, number=1)
        time.sleep(0.1)
        if rank() == 0:
            aside = folder / ".step"
            aside.write_text(str(step + 1))
            os.replace(aside, checkpoint)
            log(step=step)
    return begin
