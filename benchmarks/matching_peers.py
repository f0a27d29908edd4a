"""What `matching.py` compares: ours, what a user would reach for, and the bare product."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ucvgl.retrieval.search import BLOCK, TILE
from ucvgl.retrieval.topk import two_sided_topk

THREADS = 2


def faiss_both_ways(queries: np.ndarray, references: np.ndarray, *, share: float = 1.0) -> None:
    """`IndexFlatIP` both ways at k = 2, with the first `share` of the queries of each way."""
    import faiss

    faiss.omp_set_num_threads(THREADS)
    for own, other in ((queries, references), (references, queries)):
        index = faiss.IndexFlatIP(own.shape[1])
        index.add(other)  # type: ignore[call-arg]
        index.search(own[: int(len(own) * share)], 2)  # type: ignore[call-arg]


def _kornia(queries: np.ndarray, references: np.ndarray) -> None:
    from kornia.feature import match_mnn

    with torch.inference_mode():
        match_mnn(torch.from_numpy(queries), torch.from_numpy(references))


def _dense(queries: np.ndarray, references: np.ndarray) -> None:
    """Two whole matrices, as in released code: argmax of each, and a partition for the second best."""
    forth, back = queries @ references.T, references @ queries.T
    mutual = back.argmax(1)[forth.argmax(1)] == np.arange(len(queries))
    np.partition(forth[mutual], -2, axis=1)[:, -2:]


def _product(dtype: torch.dtype, *, pad: int = 0) -> Callable[[np.ndarray, np.ndarray], float]:
    """All tiles multiplied, nothing else: not even the conversion is counted.

    Args:
        pad: columns of zeros that are added; rows of 4096 or 8192 numbers are slow to multiply without.
    """

    def run(queries: np.ndarray, references: np.ndarray) -> float:
        own, other = (
            torch.nn.functional.pad(torch.from_numpy(view).to(dtype), (0, pad)) for view in (queries, references)
        )

        def block(first: int) -> None:
            rows, buffer = own[first : first + BLOCK], torch.empty(BLOCK * TILE, dtype=dtype)
            for left in range(0, len(other), TILE):
                columns = other[left : left + TILE]
                torch.mm(rows, columns.T, out=buffer[: len(rows) * len(columns)].view(len(rows), len(columns)))

        started = time.process_time()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(block, range(0, len(own), BLOCK)))
        return time.process_time() - started

    return run


PEERS: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "ours": lambda q, r: two_sided_topk(q, r, threads=THREADS),
    "ours in float32": lambda q, r: two_sided_topk(q, r, threads=THREADS, dtype=torch.float32),
    "product in bfloat16": _product(torch.bfloat16),
    "product in bfloat16, 32 columns more": _product(torch.bfloat16, pad=32),
    "product in float32": _product(torch.float32),
    "faiss IndexFlatIP, both ways": faiss_both_ways,
    "kornia match_mnn": _kornia,
    "two dense matrices, numpy": _dense,
}
