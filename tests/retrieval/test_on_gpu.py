import numpy as np
import pytest
import torch

from benchmarks.regimes import REGIMES
from ucvgl.retrieval.precision import bfloat16_is_fast
from ucvgl.retrieval.topk import two_sided_topk

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card here")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("regime", REGIMES)
def test_a_graphics_card_finds_what_the_processor_finds(regime, dtype):
    queries, references = REGIMES[regime](3000, 2600, 512)
    expected = two_sided_topk(queries, references, k=3)
    found = two_sided_topk(queries, references, k=3, dtype=dtype, device="cuda", block=1024, tile=512)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def test_its_products_add_up_in_float32():
    assert bfloat16_is_fast("cuda") or torch.cuda.get_device_capability() < (8, 0)
