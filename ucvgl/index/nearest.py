"""The most similar tiles of a descriptor, by faiss: exact, or approximate where memory or time does not allow it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import faiss
import numpy as np
from jaxtyping import Float, Int

from ucvgl.index.soundness import check_sound, strange

log = logging.getLogger(__name__)

Kind = Literal["flat", "hnsw", "ivfpq"]
KINDS: tuple[Kind, ...] = ("flat", "hnsw", "ivfpq")

EXACT_TILES = 2_000_000
"""Up to here looking at every tile is still fast enough for one photo at a time."""
LINKS = 32
"""Neighbours of a tile in the HNSW graph, twice that on its ground level."""
NUMBERS_PER_BYTE = 4
"""Of a descriptor that one byte of a product-quantised code stands for."""
CENTROID_SAMPLE = 64
"""Tiles per cell on which an IVF-PQ index is trained."""
FEWEST_FOR_PQ = 10_000
"""Product quantisation learns 256 centroids per byte, from 39 tiles each."""

SAME = 0.999
"""Descriptors that are more similar than this are of the same image."""

WRITTEN = ("IndexFlatIP", "IndexFlat", "IndexHNSWFlat", "IndexIVFPQ")
"""Names of faiss for our kinds."""
INNER_PRODUCT = faiss.METRIC_INNER_PRODUCT
Batches = Callable[[], Iterator[Float[np.ndarray, "n d"]]]


def choose(count: int, dimension: int, *, memory_bytes: float) -> Kind:
    """Exact while it fits the memory and stays fast; a graph while that fits; compressed beyond."""
    whole = 4.0 * count * dimension
    if whole <= memory_bytes and count <= EXACT_TILES or count < FEWEST_FOR_PQ:
        return "flat"
    return "hnsw" if whole + count * (2 * LINKS + 8) * 4 <= memory_bytes else "ivfpq"


def build(kind: Kind, batches: Batches, *, count: int, dimension: int, seed: int = 0) -> Any:
    """A faiss index of unit vectors by inner product, filled batch by batch in row order.

    Args:
        batches: starts again at the first row each time it is called: training reads the vectors once more.

    Raises:
        ValueError: too few vectors for the kind, or one is not finite or not of length 1.
    """
    if kind == "ivfpq":
        index = _trained_ivfpq(batches, count, dimension, seed)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dimension, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        index.hnsw.efSearch = 256
    else:
        index = faiss.IndexFlatIP(dimension)
    for vectors in batches():
        if strange(vectors := _finite(vectors)):
            raise ValueError("descriptors are not of length 1: the encoders are damaged; make or copy them anew")
        index.add(vectors)
    assert index.ntotal == count, f"{index.ntotal} vectors in the index, not {count}"
    return index


def search(
    index: Any, vectors: Float[np.ndarray, "n d"], k: int
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Similarities and rows of the best k, best first; fewer tiles than k: the rest is -inf and -1.

    Raises:
        ValueError: a similarity is not finite.
    """
    score, row = index.search(_finite(vectors), k)
    if not np.isfinite(score[row >= 0]).all() or (k > 0 and index.ntotal and (row < 0).all(axis=1).any()):
        raise ValueError("similarities are not finite: the encoders or the index's vectors are damaged; make it anew")
    return np.where(row < 0, -np.inf, score).astype(np.float32), row


def as_held(index: Any, vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Vectors as an index would hold them: what their codes stand for, where it compresses."""
    vectors = _finite(vectors)
    return index.sa_decode(index.sa_encode(vectors)) if isinstance(index, faiss.IndexIVFPQ) else vectors


def holds_any(index: Any, vectors: Float[np.ndarray, "n d"]) -> bool:
    """Whether an index holds any of these vectors, or one that is all but equal, as of the same image."""
    held = as_held(index, vectors)
    _, _, found = index.search_and_reconstruct(_finite(vectors), 1)
    both = [np.linalg.norm(some, axis=1) for some in (held, found[:, 0])]
    return bool((np.einsum("nd,nd->n", held, found[:, 0]) > SAME * both[0] * both[1]).any())


def exact(vectors: Float[np.ndarray, "n d"]) -> Any:
    """A faiss index that looks at each of these vectors, whatever their lengths, as of compressed ones."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(_finite(vectors))
    return index


def _finite(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Vectors as faiss takes them, which passes over what is not finite without a word."""
    if not np.isfinite(vectors).all():
        raise ValueError("descriptors are not finite: the encoders are damaged; make or copy them anew")
    return np.ascontiguousarray(vectors, np.float32)


def on_gpus(index: Any) -> Any:
    """The index on all GPUs that faiss sees; itself where there is none, or none can hold it."""
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if not gpus or isinstance(index, faiss.IndexHNSW):
        return index
    try:
        return faiss.index_cpu_to_all_gpus(index)
    except RuntimeError as error:  # too little memory, or codes of a length that GPUs do not take
        reason = str(error).strip().partition("\n")[0]
        log.warning("the index is searched by the processor, as faiss does not bring it to the GPU: %s", reason)
        return index


def to_bytes(index: Any) -> bytes:
    """A faiss index as the content of a file."""
    return faiss.serialize_index(index).tobytes()


def from_bytes(content: bytes, origin: str) -> Any:
    """The index that `to_bytes` wrote.

    Raises:
        ValueError: these bytes are none, of a kind that is never written here, or mean nothing.
    """
    try:
        index = faiss.deserialize_index(np.frombuffer(content, np.uint8))
    except (RuntimeError, AssertionError, MemoryError) as error:
        raise ValueError(f"{origin} is no faiss index that can be read; make the index anew") from error
    if type(index).__name__ not in WRITTEN:  # another kind may count its rows otherwise
        raise ValueError(f"{origin} is a {type(index).__name__}, not one of {', '.join(WRITTEN)}; make the index anew")
    check_sound(index, origin)
    return index


def _trained_ivfpq(batches: Batches, count: int, dimension: int, seed: int) -> Any:
    if count < FEWEST_FOR_PQ:
        raise ValueError(f"an ivfpq index is learned from at least {FEWEST_FOR_PQ} tiles, there are {count}; use flat")
    cells = min(round(2 * math.sqrt(count)), count // CENTROID_SAMPLE)
    code = math.gcd(dimension, dimension // NUMBERS_PER_BYTE)
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dimension), dimension, cells, code, 8, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = max(8, cells // 8)
    index.train(_sample(batches, min(count, max(cells * CENTROID_SAMPLE, FEWEST_FOR_PQ)), count, seed))
    return index


def _sample(batches: Batches, wanted: int, count: int, seed: int) -> np.ndarray:
    """Rows drawn evenly from all batches, read in order."""
    drawn = np.sort(np.random.default_rng(seed).choice(count, size=wanted, replace=False))
    found, start = [], 0
    for vectors in batches():
        inside = drawn[(drawn >= start) & (drawn < start + len(vectors))] - start
        found.append(np.asarray(vectors[inside], np.float32))
        start += len(vectors)
    return np.concatenate(found)
