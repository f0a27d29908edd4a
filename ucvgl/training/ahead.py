"""What the next steps need, read by threads while the device works on this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor

T = TypeVar("T")
STEPS_AHEAD = 2


class Ahead(Generic[T]):
    """The results of `read(0)`, `read(1)`, ... one after the other, from wherever the first is asked for.

    Args:
        read: a function of the step alone; runs in threads.
        steps: how many there are.
    """

    def __init__(self, read: Callable[[int], T], steps: int) -> None:
        self.waited_s = 0.0
        """How long the steps had to wait for it, in all."""
        self._read, self._steps = read, steps
        self._pool = ThreadPoolExecutor(STEPS_AHEAD, "reading-ahead")
        self._coming: dict[int, Future[T]] = {}

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __getitem__(self, step: int) -> T:
        """What a step needs; what the next ones need is on its way from now on."""
        for later in range(step, min(step + STEPS_AHEAD + 1, self._steps)):
            if later not in self._coming:
                self._coming[later] = self._pool.submit(self._read, later)
        start = time.monotonic()
        result = self._coming.pop(step).result()
        self.waited_s += time.monotonic() - start
        return result


def ready(tensor: Shaped[Tensor, "*shape"], device: torch.device | str) -> Shaped[Tensor, "*shape"]:
    """The tensor where a card can fetch it by itself (pinned memory); as it is for a processor."""
    return tensor.pin_memory() if torch.device(device).type == "cuda" else tensor


def sent(tensor: Shaped[Tensor, "*shape"], device: torch.device | str) -> Shaped[Tensor, "*shape"]:
    """The tensor on the device; nobody waits until it has arrived, and what follows on the device does."""
    return ready(tensor, device).to(device, non_blocking=True)
