import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.pseudo_labels.candidates import candidates
from ucvgl.retrieval.topk import two_sided_topk


@given(st.integers(0, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
def test_candidates_are_all_pairs_of_which_one_is_among_the_others_best(n, m, k, seed):
    rng = np.random.default_rng(seed)
    queries, references = (rng.integers(-3, 4, (rows, 3)).astype(np.float32) for rows in (n, m))
    score = queries @ references.T
    expected = []
    for query in range(n):
        for reference in range(m):
            in_row = sorted(range(m), key=lambda other: (-score[query, other], other)).index(reference) < k
            in_column = sorted(range(n), key=lambda other: (-score[other, reference], other)).index(query) < k
            if in_row or in_column:
                expected.append((query, reference, score[query, reference]))
    found = candidates(two_sided_topk(queries, references, k=k, query_start=100, reference_start=1000))
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
