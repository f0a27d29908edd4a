import numpy as np
import pytest

from ucvgl.pseudo_labels.e_step import Labels, plain


def test_a_label_has_a_weight_that_is_neither_zero_nor_more_than_one():
    rows = np.array([0, 1])
    assert len(Labels(rows, rows, np.array([0.25, 1.0]))) == 2
    for wrong in ([0.0, 1.0], [0.5, 1.5]):
        with pytest.raises(AssertionError, match="weights"):
            Labels(rows, rows, np.array(wrong))


def test_plain_labels_all_count_alike():
    assert plain(np.array([3, 4]), np.array([1, 1])).weight.tolist() == [1.0, 1.0]
