"""The code for graphics cards, run on the processor; tests/retrieval/test_on_gpu.py runs it where there is a card."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.regimes import REGIMES
from ucvgl.retrieval import search
from ucvgl.retrieval.best import exact_scores
from ucvgl.retrieval.device import DeviceTile, resident, scores_on
from ucvgl.retrieval.precision import precision_for
from ucvgl.retrieval.scan import LOGGED_PER_VECTOR, Tile
from ucvgl.retrieval.topk import TwoSided, two_sided_topk

INTEGERS = {torch.bfloat16: np.int16, torch.float32: np.int32}


def assert_same(found: TwoSided, expected: TwoSided):
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


@pytest.mark.parametrize("dtype", INTEGERS)
@given(n=st.integers(1, 80), m=st.integers(1, 150), seed=st.integers(0, 2**32))
@example(n=65, m=65, seed=151883)  # more than a processor's log has room for
def test_a_tile_on_a_device_holds_the_candidates_that_a_tile_on_a_processor_holds(dtype, n, m, seed):
    rng = np.random.default_rng(seed)
    queries, references = (torch.from_numpy(rng.normal(size=(rows, 9)).astype(np.float32)) for rows in (n, m))
    how = precision_for(9, np.zeros(9, np.float32), np.zeros(9, np.float32), dtype)
    own, other = how.queries(queries), how.references(references)
    plain, device = Tile(n, m, dtype), DeviceTile(2, INTEGERS[dtype])
    pairs = list(zip(plain.multiply(own, other), device.multiply(own, other), strict=True))
    for all_maxima, highest in pairs:
        np.testing.assert_array_equal(highest, -np.sort(-all_maxima.astype(int), axis=0)[:2])
    for axis, name in enumerate(("row_candidates", "column_candidates")):
        cutoff = rng.choice(pairs[axis][0].ravel(), (n, m)[axis])
        one, two = (getattr(tile, name)(cutoff, n * m) for tile in (plain, device))
        if one is None:  # the log of a processor has room for so many of each vector
            assert len(two[0]) > LOGGED_PER_VECTOR * max(n, m)
            continue
        as_sets = [set(zip(*map(np.ndarray.tolist, log), strict=True)) for log in (one, two)]
        assert as_sets[0] == as_sets[1]
        assert (getattr(device, name)(cutoff, len(one[0]) - 1) is None) == (len(one[0]) > 0)


@given(st.integers(0, 70), st.integers(0, 2**32))
def test_scores_on_a_device_are_those_of_a_processor_to_the_bit(d, seed):
    rng = np.random.default_rng(seed)
    own, other = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (12, 15))
    row, column = rng.integers(0, 12, 40), rng.integers(0, 15, 40)
    expected = exact_scores(own, other, row, column)
    for there in (other, torch.from_numpy(other)):
        np.testing.assert_array_equal(scores_on(torch.from_numpy(own), there, row, column), expected)


@pytest.mark.parametrize(("free", "moved"), [(160, True), (159, False)])
def test_references_stay_on_the_host_where_they_fill_more_than_half_of_the_card(monkeypatch, free, moved):
    pieces = [(0, np.zeros((2, 5), np.float32)), (2, np.zeros((2, 5), np.float32))]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    monkeypatch.setattr(torch.Tensor, "to", lambda vectors, device: vectors)  # there is no card here
    found = resident(torch.device("cuda"), pieces)
    assert [(first, isinstance(piece, torch.Tensor)) for first, piece in found] == [(0, moved), (2, moved)]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_whole_pass_of_a_card_finds_the_same(regime, dtype, monkeypatch):
    """`cpu:0` is taken for a card, as it is not named `cpu`."""
    queries, references = REGIMES[regime](300, 260, 128)
    expected = two_sided_topk(queries, references, k=3)
    for kept in (search.resident, lambda device, pieces: pieces):  # references on the card, and on the host
        monkeypatch.setattr(search, "resident", kept)
        found = two_sided_topk(queries, references, k=3, block=96, tile=128, dtype=dtype, device="cpu:0")
        assert_same(found, expected)
