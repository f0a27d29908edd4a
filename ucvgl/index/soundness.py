"""Whether a faiss index can give right answers: a file that is whole may still hold vectors that mean nothing."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from jaxtyping import Float

OFF_UNIT = 0.01
"""By which the length of a vector may differ from 1."""
COMPRESSED = (0.3, 3.0)
"""Between these lie the lengths of vectors that were compressed."""
AT_ONCE = 2**24
"""Numbers that are looked at together."""
SAMPLE = 10_000
"""Compressed vectors that are looked at; all are made of the same few, and these are looked at whole."""


def check_sound(index: Any, origin: str) -> None:
    """Refuse an index whose vectors are not finite or not of length 1, or whose rows lead nowhere.

    Args:
        index: of faiss, one of the kinds that `ucvgl.index.nearest` writes.
        origin: its file.

    Raises:
        ValueError: what is wrong, with the way out.
    """
    if isinstance(index, faiss.IndexIVFPQ):
        wrong = _of_compressed(index)
    else:
        flat = faiss.downcast_index(index.storage) if isinstance(index, faiss.IndexHNSW) else index
        wrong = _of_flat(flat, index.ntotal)  # the links of a graph are checked by faiss
    if wrong:
        raise ValueError(f"{origin} {wrong}, so that no answer would mean anything; copy or make the index anew")


def strange(vectors: Float[np.ndarray, "n d"], least: float = 1 - OFF_UNIT, most: float = 1 + OFF_UNIT) -> int:
    """How many vectors are not finite, or not of a length between these."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return int((~((lengths >= least) & (lengths <= most))).sum())


def _of_flat(index: Any, count: int) -> str:
    if not isinstance(index, faiss.IndexFlat) or index.ntotal != count:
        return f"does not hold its {count} vectors as they are"
    if not count:
        return ""
    vectors = faiss.rev_swig_ptr(index.get_xb(), count * index.d).reshape(count, index.d)  # no copy
    block = max(1, AT_ONCE // index.d)
    found = sum(strange(vectors[start : start + block]) for start in range(0, count, block))
    return f"holds {found} vectors of {count} that are not finite or not of length 1" if found else ""


def _of_compressed(index: Any) -> str:
    quantizer = faiss.downcast_index(index.quantizer)
    if not isinstance(quantizer, faiss.IndexFlat) or quantizer.ntotal != index.nlist:
        return "lacks the cells of its vectors"
    tables = [faiss.vector_to_array(index.pq.centroids)]
    tables.append(faiss.rev_swig_ptr(quantizer.get_xb(), quantizer.ntotal * quantizer.d))
    if not all(np.isfinite(table).all() for table in tables):
        return "is compressed by numbers that are not finite"
    seen, lists = np.zeros(index.ntotal, bool), index.invlists
    for cell in range(index.nlist):
        size = lists.list_size(cell)
        rows = faiss.rev_swig_ptr(lists.get_ids(cell), size) if size else np.empty(0, np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < index.ntotal):
            return "numbers its vectors otherwise than by row"
        seen[rows] = True
    if not seen.all():
        return "numbers its vectors otherwise than by row"
    some = index.reconstruct_n(0, min(SAMPLE, index.ntotal))
    found = strange(some, *COMPRESSED)
    return f"holds vectors of strange lengths ({found} of the first {len(some)})" if found else ""
