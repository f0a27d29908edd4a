from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.contrast.batches import Pairs, epoch_order


def pairs_of(query, reference) -> Pairs:
    stores = Path("queries"), Path("references")
    return Pairs("label", ("query", "reference"), stores, np.array(query, int), np.array(reference, int))


@st.composite
def many_to_one(draw) -> Pairs:
    n = draw(st.integers(1, 60))
    rows = st.lists(st.integers(0, 12), min_size=n, max_size=n)
    return pairs_of(draw(rows), draw(rows))


@given(many_to_one(), st.integers(2, 16), st.integers(0, 1000))
def test_no_batch_repeats_a_query_or_a_reference_and_no_pair_comes_twice(pairs, batch, seed):
    batches = epoch_order(pairs, batch, (seed,))
    assert batches
    for rows in batches:
        assert 1 <= len(rows) <= batch
        assert len(set(pairs.query[rows])) == len(rows)
        assert len(set(pairs.reference[rows])) == len(rows)
        assert 2 * len(rows) >= len(batches[0])
    taken = np.concatenate(batches)
    assert len(set(taken)) == len(taken)


@given(st.integers(0, 200), st.integers(2, 32), st.integers(0, 1000))
def test_pairs_that_share_nothing_come_all_but_for_a_last_batch_below_half(n, batch, seed):
    batches = epoch_order(pairs_of(range(n), range(n)), batch, (seed,))
    whole, rest = divmod(n, batch)
    kept = [rest] if rest and (not whole or 2 * rest >= batch) else []
    assert list(map(len, batches)) == [batch] * whole + kept


@given(many_to_one(), st.integers(2, 16), st.integers(0, 1000))
def test_the_order_is_a_function_of_the_seed(pairs, batch, seed):
    first, again = (epoch_order(pairs, batch, (seed, 1)) for _ in range(2))
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]


def test_another_epoch_has_another_order():
    pairs = pairs_of(range(100), range(100))
    orders = {tuple(np.concatenate(epoch_order(pairs, 10, (0, epoch)))) for epoch in range(5)}
    assert len(orders) == 5
