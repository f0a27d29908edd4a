"""Exact two-sided search by a pool of actors: each holds shards of the references, the queries stream past.

First every shard meets all queries and says, per query, what its k best scores reach. So the driver knows what the
best of all shards reach, and each shard scores only the pairs that come near it. Between driver and actors pass a few
numbers per query and shard, and never a vector: actors read the parts that the embedders wrote.
"""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray

from ucvgl.distributed.cluster import gpu_share, threads_each
from ucvgl.distributed.progress import Progress
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.search import BLOCK, DEVICE_BLOCK, Found, Search, kth_reached
from ucvgl.retrieval.topk import TwoSided
from ucvgl.retrieval.vectors import Stored
from ucvgl.settings.experiment import Resources

Range = tuple[int, int]

IN_FLIGHT = 2
"""Calls queued per actor: one runs while the next one waits."""


BLOCKS_PER_CALL = 8
"""At least: a call costs the driver some milliseconds, as long as a tile takes."""


@dataclass(frozen=True)
class Task:
    """A shard of one search.

    Args:
        search: name of the search; vectors do not change during it.
        shard: its references.
    """

    search: str
    queries: Stored
    references: Stored
    shard: Range
    k: int


class Searcher:
    """Actor that lets queries meet shards of references.

    Every call says all that is needed to do it, so an actor that Ray restarts elsewhere lacks nothing of the one that
    died: it does that one's shards again, and no other's.
    """

    def __init__(self, threads: int, device: str) -> None:
        self._threads, self._device = threads, device
        self._search = ""
        self._begun: dict[Range, Search] = {}
        self._at_work: Range | None = None

    def meet(self, task: Task, queries: Range) -> np.ndarray:
        """Per query of a range, k numbers that its scores with the shard reach, float32."""
        return self._open(task).meet(*queries)

    def found(self, task: Task, queries: Sequence[Range], lower: np.ndarray) -> Found:
        """What the shard has for these ranges of queries, where `lower` is what k scores of each query reach."""
        if any(not self._has_met(task, some[0]) for some in queries):  # the one that met them has died
            for some in queries:
                self.meet(task, some)
        return self._begun.pop(task.shard).found(lower)

    def pid(self) -> int:
        """Of the process that holds the references now."""
        return os.getpid()

    def _has_met(self, task: Task, start: int) -> bool:
        return self._search == task.search and task.shard in self._begun and self._begun[task.shard].met(start)

    def _open(self, task: Task) -> Search:
        if self._search != task.search:
            self._search, self._begun = task.search, {}
        if self._at_work is not None and self._at_work != task.shard and self._at_work in self._begun:
            self._begun[self._at_work].rest()
        self._at_work = task.shard
        if task.shard not in self._begun or self._begun[task.shard].resting:
            how = {"threads": self._threads, "device": self._device}
            self._begun[task.shard] = Search(task.queries, task.references, task.shard, k=task.k, **how)
        return self._begun[task.shard]


class SearchPool:
    """A context manager over the actors; one pool serves any number of searches.

    Args:
        resources: `search_workers` actors hold at most `search_rows` references each at a time, and shards of a
            larger set one after the other.
    """

    def __init__(self, resources: Resources) -> None:
        count, self._shard_rows = resources.search_workers, resources.search_rows
        gpus = gpu_share(resources.search_gpus)
        needs = {"num_cpus": 1, "num_gpus": gpus, "scheduling_strategy": "SPREAD"}
        actor = ray.remote(**needs, max_restarts=-1, max_task_retries=-1)(Searcher)
        self._threads = threads_each(count)
        self._step = max(BLOCKS_PER_CALL, 2 * self._threads) * (DEVICE_BLOCK if gpus else BLOCK)
        self.actors: list[Any] = [actor.remote(self._threads, "cuda" if gpus else "cpu") for _ in range(count)]

    def __enter__(self) -> SearchPool:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            ray.kill(actor)

    def match(self, query_parts: Sequence[Path], reference_parts: Sequence[Path], *, k: int = 2) -> TwoSided:
        """The best k references of every query and the best k queries of every reference.

        The answer is that of `two_sided_topk` on the whole, bit for bit, with any number of actors and shards.
        Parts are `.npy` files, float32 [n d], that must not change during the search.
        """
        queries, references = Stored.of(query_parts), Stored.of(reference_parts)
        name, count, held = uuid.uuid4().hex, queries.span[1], references.span[1]
        tasks = [Task(name, queries, references, shard, k) for shard in self._shards(held)]
        ranges = [(start, min(start + self._step, count)) for start in range(0, count, self._step)]
        lower = self._meet(tasks, ranges, count, k)
        rows, columns = Best(count, k), Best(held, k)
        for found in self._found(tasks, ranges, lower):
            rows.insert(found.query, found.score, found.reference)
            part = slice(found.reference_start, found.reference_start + len(found.columns.score))
            columns.score[part], columns.index[part] = found.columns.score, found.columns.index
        return TwoSided(0, 0, rows.score, rows.index, columns.score, columns.index)

    def _shards(self, count: int) -> list[Range]:
        """As many for every actor, none empty."""
        shards = -(-count // (len(self.actors) * self._shard_rows)) * len(self.actors)
        cuts = [count * i // shards for i in range(shards + 1)] if shards else []
        return [(low, high) for low, high in zip(cuts, cuts[1:], strict=False) if low < high]

    def _meet(self, tasks: Sequence[Task], ranges: Sequence[Range], count: int, k: int) -> np.ndarray:
        """Let all queries meet all shards; what k scores of each query reach."""
        reach = np.full((count, k), -np.inf, np.float32)
        progress = Progress("match", sum(task.shard[1] - task.shard[0] for task in tasks) * count, unit="pairs")
        waves = range(0, len(tasks), len(self.actors))
        order = [
            (worker, wave + worker, some)
            for wave in waves
            for some in ranges
            for worker in range(min(len(self.actors), len(tasks) - wave))
        ]
        calls = ((self.actors[worker].meet, (tasks[number], some)) for worker, number, some in order)
        for (_, number, some), part in zip(order, self._results(calls), strict=True):
            both = np.concatenate([reach[slice(*some)], part], axis=1)
            reach[slice(*some)] = -np.partition(-both, k - 1, axis=1)[:, :k]
            low, high = tasks[number].shard
            progress.advance((some[1] - some[0]) * (high - low))
        return kth_reached(reach, k)

    def _found(self, tasks: Sequence[Task], ranges: Sequence[Range], lower: np.ndarray) -> Iterator[Found]:
        shared = ray.put(lower)
        workers = [self.actors[number % len(self.actors)] for number in range(len(tasks))]
        return self._results(
            (actor.found, (task, ranges, shared)) for actor, task in zip(workers, tasks, strict=True)
        )

    def _results(self, calls: Iterable[tuple[Any, tuple]]) -> Iterator[Any]:
        """The results of actor calls, in order, with few in flight."""
        waiting: deque = deque()
        for method, arguments in calls:
            if len(waiting) >= IN_FLIGHT * len(self.actors):
                yield ray.get(waiting.popleft())
            waiting.append(method.remote(*arguments))
        while waiting:
            yield ray.get(waiting.popleft())
