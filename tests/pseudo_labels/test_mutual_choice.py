import numpy as np
import pytest

from ucvgl.pseudo_labels.mutual_choice import mutual_matches
from ucvgl.retrieval.topk import two_sided_topk

QUERIES = np.array([[4, 0, 0], [3, 1, 0], [0, 2, 0], [0, 0, 1]], np.float32)
REFERENCES = np.array([[2, 0, 0], [0, 2, 1], [1, 1, 0]], np.float32)
"""Similarities 8 0 4 | 6 2 4 | 0 4 2 | 0 1 0: best references 0 0 1 1, best queries 0 2 (0 and 1)."""


def labels(**how):
    best = two_sided_topk(QUERIES, REFERENCES, k=3)
    found = mutual_matches(QUERIES, REFERENCES, best, **how)
    assert (found.weight == 1).all()
    return list(zip(found.query.tolist(), found.reference.tolist(), strict=True))


def test_pairs_that_choose_each_other_are_labels():
    assert labels(least=0.0) == [(0, 0), (2, 1)]
    assert labels(least=0.0, reciprocal=2) == [(0, 0), (1, 0), (2, 1)]


@pytest.mark.parametrize(
    ("least", "kept"), [(3.9, [(0, 0), (2, 1)]), (4.0, [(0, 0), (2, 1)]), (4.1, [(0, 0)]), (8.1, [])]
)
def test_by_similarity_a_label_is_as_similar_as_the_threshold_says(least, kept):
    assert labels(least=least) == kept


def test_by_margin_a_label_stands_out_from_the_second_best():
    """Margins of the mutual pairs: 8 - 4 and 4 - 2, so the first is larger than half of them."""
    assert labels(threshold="margin", least=0.0) == [(0, 0), (2, 1)]
    assert labels(threshold="margin", least=0.5) == [(0, 0)]
    assert labels(threshold="margin", least=0.6) == []
