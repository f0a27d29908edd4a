import numpy as np
import pytest
import torch

from ucvgl.retrieval import precision
from ucvgl.retrieval.precision import adds_up_in_float32, bfloat16_is_fast, precision_for

ZEROS = np.zeros(256, np.float32)


def test_products_of_this_processor_add_up_in_float32():
    assert adds_up_in_float32("cpu")


def test_a_processor_that_adds_up_in_bfloat16_is_told_apart(monkeypatch):
    """Each sum written as bfloat16: ones and small terms then lose the small ones."""

    def coarse(self: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        sums = torch.zeros(len(self), other.shape[1], dtype=torch.bfloat16)
        for first in range(self.shape[1]):
            sums += self[:, first : first + 1].mul(other[first : first + 1])
        return sums

    monkeypatch.setattr(torch.Tensor, "__matmul__", coarse)
    assert not adds_up_in_float32("cpu")


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_used_where_it_is_fast_and_the_vectors_are_wide(monkeypatch, fast, dtype):
    monkeypatch.setattr(precision, "bfloat16_is_fast", lambda device: fast)
    assert precision_for(256, ZEROS, ZEROS, None).dtype == dtype
    assert precision_for(16, ZEROS[:16], ZEROS[:16], None).dtype == torch.float32


def test_what_this_processor_can_do_is_found_out_once():
    assert bfloat16_is_fast() is bfloat16_is_fast()
