"""Exact two-sided search by a pool of actors: each holds a range of references, the queries stream past."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch

from ucvgl.config import Resources
from ucvgl.distributed.cluster import threads_each
from ucvgl.matching.topk import TwoSided, merge, two_sided_topk

Range = tuple[int, int]

IN_FLIGHT = 2
"""Calls queued per actor: one runs while the next one waits."""


MERGED_AT_ONCE = 64
"""Partial results kept until they are merged: bounds the driver's memory."""


class Shard:
    """Actor that matches query parts against its range of references.

    Every call says what to load, so an actor that Ray restarts elsewhere lacks nothing of the one that died.
    """

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._held: tuple[tuple[str, ...], Range] | None = None
        self._references = np.empty((0, 0), np.float32)

    def match(
        self, queries: str, query_start: int, references: tuple[str, ...], rows: Range, k: int
    ) -> TwoSided:
        if self._held != (references, rows):
            self._references = read_rows(references, rows)
            self._held = (references, rows)
        return two_sided_topk(
            np.load(queries), self._references, k=k, query_start=query_start, reference_start=rows[0]
        )

    def pid(self) -> int:
        """Of the process that holds the references now."""
        return os.getpid()


class SearchPool:
    """A context manager over the actors; one pool serves any number of searches."""

    def __init__(self, resources: Resources) -> None:
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(Shard)
        count = resources.search_workers
        self.actors: list[Any] = [actor.remote(threads_each(count)) for _ in range(count)]

    def __enter__(self) -> SearchPool:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            ray.kill(actor)

    def match(self, query_parts: Sequence[Path], reference_parts: Sequence[Path], *, k: int = 2) -> TwoSided:
        """The best k references of every query and the best k queries of every reference.

        The answer is that of `two_sided_topk` on the whole, bit for bit, with any number of actors.
        Parts are `.npy` files, float32 [n d], that must not change under the name they have.
        """
        references = tuple(map(str, reference_parts))
        query_starts = np.cumsum([0, *map(count_rows, query_parts)])[:-1].tolist()
        total = sum(map(count_rows, reference_parts))
        ranges = [
            (total * i // len(self.actors), total * (i + 1) // len(self.actors))
            for i in range(len(self.actors))
        ]
        holders = [
            (actor, rows) for actor, rows in zip(self.actors, ranges, strict=True) if rows[0] < rows[1]
        ]
        calls = (
            (actor, (str(part), start, references, rows, k))
            for part, start in zip(query_parts, query_starts, strict=True)
            for actor, rows in holders
        )
        best: list[TwoSided] = []
        for part in self._results(calls, IN_FLIGHT * len(holders)):
            best.append(part)
            if len(best) == MERGED_AT_ONCE:
                best = [merge(best)]
        return merge(best)

    def _results(self, calls: Iterator[tuple[Any, tuple]], in_flight: int) -> Iterator[TwoSided]:
        waiting: deque = deque()
        for actor, arguments in calls:
            if len(waiting) >= in_flight:
                yield ray.get(waiting.popleft())
            waiting.append(actor.match.remote(*arguments))
        while waiting:
            yield ray.get(waiting.popleft())


def count_rows(part: Path | str) -> int:
    return len(np.load(part, mmap_mode="r"))


def read_rows(parts: Sequence[str], rows: Range) -> np.ndarray:
    """Rows `rows[0]:rows[1]` of the concatenated parts, reading no other."""
    found, start = [], 0
    for part in parts:
        vectors = np.load(part, mmap_mode="r")
        found.append(vectors[max(rows[0] - start, 0) : max(rows[1] - start, 0)])
        start += len(vectors)
    return np.ascontiguousarray(np.concatenate(found))
