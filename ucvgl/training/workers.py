"""Training on one process or many: rank, size, wrapping and gathering, without knowing who started them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def rank() -> int:
    """Number of this worker; 0 where it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many workers train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def distributed(module: nn.Module, *, partly_used: bool = False) -> nn.Module:
    """The module with its gradients averaged over the workers; itself when there is one.

    Args:
        partly_used: whether a step may leave parameters without gradient, as intra-view contrast leaves one tower.
    """
    if size() == 1:
        return module
    return DistributedDataParallel(module, gradient_as_bucket_view=True, find_unused_parameters=partly_used)


def gather(rows: Float[Tensor, "n *shape"], batch: int) -> Float[Tensor, "{batch} *shape"]:
    """The global batch, from the rows that `share(batch)` gave each worker, with gradients back to all of them."""
    if size() == 1:
        return rows
    import torch.distributed.nn as dist_nn

    counts = [part.stop - part.start for part in (share(batch, worker) for worker in range(size()))]
    padded = torch.cat((rows, rows.new_zeros(max(counts) - len(rows), *rows.shape[1:])))
    return torch.cat([part[:count] for part, count in zip(dist_nn.all_gather(padded), counts, strict=True)])


def share(batch: int, worker: int | None = None) -> slice:
    """A worker's (this one's) rows of a global batch: as equal as they can be; none is dropped or doubled."""
    worker = rank() if worker is None else worker
    return slice(batch * worker // size(), batch * (worker + 1) // size())


def weight(batch: int) -> float:
    """What a worker's mean over its rows counts for, where the workers' gradients are averaged as if equal."""
    own = share(batch)
    return (own.stop - own.start) * size() / batch


def broadcast(content: bytes) -> bytes:
    """What the first worker has, on every worker."""
    if size() == 1:
        return content
    box: list[bytes] = [content]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier() -> None:
    """Wait until every worker is here."""
    if dist.is_initialized():
        dist.barrier()
