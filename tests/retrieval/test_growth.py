"""Work grows as it is said to: counted, as a clock would measure the machine."""

from __future__ import annotations

import numpy as np
import pytest

from ucvgl.retrieval.search import Search
from ucvgl.retrieval.vectors import InMemory


def scored(count: int) -> int:
    """How many pairs are scored in float64 when so many queries meet as many references."""
    rng = np.random.default_rng(count)
    vectors = [rng.standard_normal((count, 16)).astype(np.float32) for _ in range(2)]
    unit = [some / np.linalg.norm(some, axis=1, keepdims=True) for some in vectors]
    search = Search(*(InMemory(some, 0) for some in unit), k=2, block=256, tile=256)
    search.meet(0, count)
    return len(search.found().query)


@pytest.mark.parametrize("count", [500, 1000])
def test_exact_scores_grow_with_the_vectors_and_not_with_their_pairs(count: int) -> None:
    assert 2 * count <= scored(count) < 4 * count
    assert scored(2 * count) < 3 * scored(count), "four times would be the pairs"
