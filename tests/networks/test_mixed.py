import pytest
import torch

from ucvgl.networks import mixed


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_made_in_bfloat16_only_where_that_is_fast(monkeypatch, fast, dtype):
    monkeypatch.setattr(mixed, "bfloat16_is_fast", lambda device: fast)
    with mixed.mixed_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
