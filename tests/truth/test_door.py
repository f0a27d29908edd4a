import numpy as np
import pyarrow as pa
import pytest

from ucvgl.truth.door import GroundTruth, label_precision, rows_of, true_rows


def one_each(pairs: dict[str, str]) -> GroundTruth:
    return GroundTruth({query: (reference,) for query, reference in pairs.items()})


def test_true_rows_follow_the_pool_and_are_minus_one_without_a_tile():
    truth = one_each({"a": "z", "b": "y", "c": "gone"})
    rows = true_rows(truth, np.array(["c", "b", "a", "unknown"]), np.array(["y", "x", "z"]))
    assert rows.tolist() == [-1, 0, 2, -1]


def test_rows_of_several_references_are_padded_and_skip_what_is_not_in_the_pool():
    rows = rows_of({"a": ("z", "gone", "x"), "b": ("y",)}, np.array(["b", "a", "c"]), np.array(["y", "x", "z"]))
    assert rows.tolist() == [[0, -1], [2, 1], [-1, -1]]


def test_label_precision_counts_labels_only():
    pairs = pa.table(
        {
            "query_id": ["a", "b", "c", "d"],
            "reference_id": ["1", "2", "9", "4"],
            "label": [True, False, True, True],
        }
    )
    assert label_precision(pairs, GroundTruth({"a": ("7", "1"), "b": ("0",), "c": ("3",)})) == pytest.approx(1 / 3)


def test_label_precision_without_labels_is_nan():
    pairs = pa.table({"query_id": ["a"], "reference_id": ["1"], "label": [False]})
    assert label_precision(pairs, one_each({"a": "1"})) is None
