"""Training on one process or many: rank, size, wrapping and gathering, without knowing who started them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def distributed(module: nn.Module) -> nn.Module:
    """The module with its gradients averaged over the workers; itself when there is one."""
    return DistributedDataParallel(module, gradient_as_bucket_view=True) if size() > 1 else module


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """The tensors of all workers, concatenated in rank order, with gradients back to every one of them."""
    if size() == 1:
        return tensor
    import torch.distributed.nn as dist_nn

    return torch.cat(dist_nn.all_gather(tensor.contiguous()))


def share(batch: int) -> slice:
    """This worker's rows of a global batch: as equal as they can be; none is dropped or doubled."""
    start, end = batch * rank() // size(), batch * (rank() + 1) // size()
    return slice(start, end)


def barrier() -> None:
    if dist.is_initialized():
        dist.barrier()
