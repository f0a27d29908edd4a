"""Exact two-sided search by all workers: each holds shards of the references, and the queries stream past.

First every shard meets all queries and says, per query, what its k best scores reach. The workers tell one another, so
each shard then scores only the pairs that come near what the best of all shards reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float32

from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.programs.sharing import mine, write_arrays
from ucvgl.retrieval.best import Best
from ucvgl.retrieval.search import BLOCK, DEVICE_BLOCK, Found, Search, kth_reached
from ucvgl.retrieval.topk import TwoSided
from ucvgl.retrieval.vectors import Stored
from ucvgl.training import workers
from ucvgl.training.loop import Log

Range = tuple[int, int]
BLOCKS_AT_ONCE = 8
"""At least: between two of them is told how far it is."""
TOLD_AT_ONCE = 1 << 20
"""Queries of which workers tell one another at a time; bounds the memory."""


def shards(count: int, *, workers: int, rows: int) -> list[Range]:
    """So many references cut into shards of at most `rows`: as many for every worker, none empty."""
    number = -(-count // (workers * rows)) * workers
    cuts = [count * i // number for i in range(number + 1)] if number else []
    return [(low, high) for low, high in zip(cuts, cuts[1:], strict=False) if low < high]


def match_shards(
    cuts: Sequence[Range],
    *,
    folder: Path,
    queries: Stored,
    references: Stored,
    k: int,
    device: torch.device,
    log: Log,
) -> None:
    """Write what every shard of the references leaves to choose from into `folder`, for `read_matched`.

    Args:
        cuts: the shards, see `shards`.
        queries: these and the references must not change during the search.
        k: best partners of each vector.
    """
    threads, where = torch.get_num_threads(), str(device)
    step = max(BLOCKS_AT_ONCE, 2 * threads) * (BLOCK if where == "cpu" else DEVICE_BLOCK)
    _, count = queries.span
    reach, searches = np.full((count, k), -np.inf, np.float32), []
    own = mine(cuts)
    for number, shard in enumerate(own):
        search = Search(queries, references, shard, k=k, threads=threads, device=where)
        for start in range(0, count, step):
            some = slice(start, min(start + step, count))
            both = np.concatenate([reach[some], search.meet(some.start, some.stop)], axis=1)
            reach[some] = -np.partition(-both, k - 1, axis=1)[:, :k]
            if workers.rank() == 0:
                log(share=(number + some.stop / count) / len(own))
        search.rest()
        searches.append((shard, search))
    lower = kth_reached(_of_all(reach, device), k)
    for shard, search in searches:
        _write(folder / f"matched-{shard[0]:012d}.npz", search.found(lower))


def read_matched(cuts: Sequence[Range], folder: Path, *, queries: int, references: int, k: int) -> TwoSided:
    """The best k references of every query and the best k queries of every reference, as `two_sided_topk` finds them
    in the whole, bit for bit, with any number of workers and shards.

    Args:
        cuts: the shards that were matched.
        queries: how many there are; likewise `references`.
    """
    rows, columns = Best(queries, k), Best(references, k)
    for shard in cuts:
        with load_numbers(cached.here(folder / f"matched-{shard[0]:012d}.npz")) as found:
            rows.insert(found["query"], found["score"], found["reference"])
            columns.score[slice(*shard)], columns.index[slice(*shard)] = found["column_score"], found["column_index"]
    return TwoSided(0, 0, rows.score, rows.index, columns.score, columns.index)


def _of_all(reach: Float32[np.ndarray, "q k"], device: torch.device) -> Float32[np.ndarray, "q k"]:
    """What the best k scores of each query reach among the references of all workers."""
    if workers.size() == 1:
        return reach
    k = reach.shape[1]
    where = device if dist.get_backend() == "nccl" else torch.device("cpu")
    told = np.empty_like(reach)
    for start in range(0, len(reach), TOLD_AT_ONCE):
        own = torch.from_numpy(reach[start : start + TOLD_AT_ONCE]).to(where)
        parts = [torch.empty_like(own) for _ in range(workers.size())]
        dist.all_gather(parts, own)
        told[start : start + TOLD_AT_ONCE] = torch.cat(parts, 1).topk(k, dim=1).values.cpu().numpy()
    return told


def _write(path: Path, found: Found) -> None:
    columns = {"column_score": found.columns.score, "column_index": found.columns.index}
    write_arrays(path, {"query": found.query, "score": found.score, "reference": found.reference, **columns})
