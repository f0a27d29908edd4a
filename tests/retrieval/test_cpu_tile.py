import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.retrieval.cpu_tile import (
    COLUMN_GROUP,
    ROW_GROUP,
    candidates,
    cutoffs,
    group_maxima,
    keep_highest,
    numbers,
    ordered,
)

KINDS = {np.int16: torch.bfloat16, np.int32: torch.float32}


def tile(height: int, width: int, seed: int, integer: type) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of both signs, zeros of both signs among them, and their bits."""
    drawn = torch.randn(height, width, generator=torch.Generator().manual_seed(seed))
    drawn[drawn.abs() < 0.1] *= 0
    drawn = drawn.to(KINDS[integer])
    return drawn.float().numpy(), drawn.view(torch.int16 if integer is np.int16 else torch.int32).numpy()


def maxima_of(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = bits.shape
    of_rows = np.empty((-(-width // ROW_GROUP), height), bits.dtype)
    of_columns = np.empty((-(-height // COLUMN_GROUP), width), bits.dtype)
    group_maxima(bits, bits.dtype.type(np.iinfo(bits.dtype).max), of_rows, of_columns)
    return of_rows, of_columns


@pytest.mark.parametrize("integer", KINDS)
def test_keys_are_in_the_order_of_the_numbers_and_lead_back_to_them(integer):
    values, bits = tile(40, 40, 0, integer)
    keys = ordered(bits)
    np.testing.assert_array_equal(numbers(keys), values)
    order = np.argsort(keys.ravel(), kind="stable")
    assert (np.diff(values.ravel()[order]) >= 0).all()


@pytest.mark.parametrize("integer", KINDS)
@given(height=st.integers(1, 100), width=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_group_maxima_are_the_maxima_of_the_groups(integer, height, width, seed):
    values, bits = tile(height, width, seed, integer)
    of_rows, of_columns = maxima_of(bits)
    for group, keys in enumerate(of_rows):
        expected = values[:, ROW_GROUP * group : ROW_GROUP * (group + 1)].max(1)
        np.testing.assert_array_equal(numbers(keys), expected)
    for band, keys in enumerate(of_columns):
        expected = values[COLUMN_GROUP * band : COLUMN_GROUP * (band + 1)].max(0)
        np.testing.assert_array_equal(numbers(keys), expected)


@given(n=st.integers(1, 20), groups=st.integers(1, 9), k=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_the_highest_keys_are_those_of_sorting_all(n, groups, k, seed):
    maxima = np.random.default_rng(seed).integers(-50, 50, (2, groups, n)).astype(np.int16)
    best = np.full((k, n + 3), np.iinfo(np.int16).min, np.int16)
    for some in maxima:
        keep_highest(best, 3, some)
    everything = np.concatenate([*maxima, np.full((k, n), np.iinfo(np.int16).min, np.int16)])
    np.testing.assert_array_equal(best[:, 3:], -np.sort(-everything.astype(int), axis=0)[:k])
    assert (best[:, :3] == np.iinfo(np.int16).min).all()


@pytest.mark.parametrize("integer", KINDS)
@given(
    kth=st.floats(-2, 2), error=st.floats(0, 0.1), rounding=st.sampled_from([0.0, 2.0**-8]), offset=st.floats(-1, 1)
)
def test_a_cutoff_lets_every_number_pass_whose_score_may_be_high_enough(integer, kth, error, rounding, offset):
    bits = torch.tensor([kth]).to(KINDS[integer]).view(torch.int16 if integer is np.int16 else torch.int32).numpy()
    lower, out = np.full(1, -np.inf), np.empty(1, integer)
    key = ordered(bits)
    f = float(numbers(key)[0])
    cutoffs(key[None], 0, lower, np.array([error]), rounding, offset, out)
    assert lower[0] == pytest.approx(f - rounding * abs(f) - error + offset, abs=1e-6)
    values, others = tile(30, 30, 1, integer)
    passes, values = ordered(others) >= out[0], values.astype(np.float64)  # float32 would round what is compared
    may_reach = values + rounding * np.abs(values) + error + offset >= lower[0]
    assert not (may_reach & ~passes).any()
    clearly_below = values + rounding * np.abs(values) + error + offset < lower[0] - 2.0**-7 * np.abs(values) - 1e-6
    assert not (clearly_below & passes).any()


def test_without_a_kth_number_everything_passes():
    lower, out = np.full(2, -np.inf), np.empty(2, np.int16)
    cutoffs(np.full((2, 2), np.iinfo(np.int16).min, np.int16), 0, lower, np.zeros(2), 2.0**-8, 0.0, out)
    assert (out == np.iinfo(np.int16).min + 1).all()
    assert (lower == -np.inf).all()


@pytest.mark.parametrize("integer", KINDS)
@given(height=st.integers(1, 70), width=st.integers(1, 140), seed=st.integers(0, 2**32))
def test_candidates_are_the_elements_that_reach_the_cutoff(integer, height, width, seed):
    _, bits = tile(height, width, seed, integer)
    keys, flip = ordered(bits), bits.dtype.type(np.iinfo(integer).max)
    of_rows, of_columns = maxima_of(bits)
    rng = np.random.default_rng(seed)
    for axis, maxima, size in ((0, of_rows, ROW_GROUP), (1, of_columns, COLUMN_GROUP)):
        seen = bits.T if axis else bits
        cutoff = rng.choice(keys.ravel(), bits.shape[axis])
        reached = keys >= np.expand_dims(cutoff, 1 - axis)
        room = [np.empty(bits.size, np.int32), np.empty(bits.size, np.int32), np.empty(bits.size, integer)]
        count = candidates(seen, flip, maxima, cutoff, size, *room)
        own, other, logged = (part[:count] for part in room)
        row, column = (other, own) if axis else (own, other)
        assert set(zip(row.tolist(), column.tolist(), strict=True)) == set(map(tuple, np.argwhere(reached).tolist()))
        np.testing.assert_array_equal(logged, keys[row, column])
        small = [part[: count // 2] for part in room]
        assert candidates(seen, flip, maxima, cutoff, size, *small) == count, "what does not fit is counted"
