from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.training.batches import Pairs, Side, epoch_order


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


@settings(max_examples=30)
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


def row_in(images: np.ndarray, row: int, chosen: list[int]) -> bool:
    return images[row] in images[chosen]


def plain_order(pairs: Pairs, batch: int, seed: tuple[int, ...]) -> list[list[int]]:
    """The rule without spared references and neighbours, in the plainest way."""
    waiting, batches = np.random.default_rng(seed).permutation(len(pairs)).tolist(), []
    while waiting:
        chosen: list[int] = []
        for row in waiting:
            taken = row_in(pairs.query, row, chosen) or row_in(pairs.reference, row, chosen)
            if not taken and len(chosen) < batch:
                chosen.append(row)
        waiting = [row for row in waiting if row not in chosen]
        batches.append(chosen)
    return [rows for rows in batches if 2 * len(rows) >= len(batches[0])]


@given(many_to_one(), st.integers(2, 16), st.integers(0, 1000))
def test_without_neighbours_the_order_is_the_plain_one(pairs, batch, seed):
    assert [rows.tolist() for rows in epoch_order(pairs, batch, (seed,))] == plain_order(pairs, batch, (seed,))


@st.composite
def with_neighbours(draw) -> Pairs:
    pairs = draw(many_to_one())
    row = st.integers(-1, 12)
    spared, neighbours = (
        draw(st.lists(st.lists(row, min_size=k, max_size=k), min_size=len(pairs), max_size=len(pairs))) for k in (2, 8)
    )
    return replace(pairs, spared=np.array(spared), neighbours=np.array(neighbours))


@settings(max_examples=30)
@given(with_neighbours(), st.integers(2, 16), st.integers(0, 1000))
def test_with_neighbours_every_rule_of_a_batch_still_holds(pairs, batch, seed):
    batches = epoch_order(pairs, batch, (seed,))
    assert [rows.tolist() for rows in batches] == [rows.tolist() for rows in epoch_order(pairs, batch, (seed,))]
    for rows in batches:
        assert len(rows) <= batch and 2 * len(rows) >= len(batches[0])
        assert len(set(pairs.query[rows])) == len(set(pairs.reference[rows])) == len(rows)
        for row in rows:
            others = [pairs.reference[other] for other in rows if other != row]
            assert not set(pairs.spared[row]) & set(others), "a spared reference is a negative"
    taken = np.concatenate(batches)
    assert len(set(taken)) == len(taken)


def on_a_line(n: int, k: int) -> Pairs:
    """Places on a line, each with its k nearest as neighbours."""
    rows = np.arange(n)
    neighbours = np.argsort(np.abs(rows - rows[:, None]), axis=1, kind="stable")[:, 1 : k + 1]
    return replace(pairs_of(rows, rows), neighbours=neighbours)


def test_neighbours_meet_and_every_pair_still_comes_once():
    def together(batches) -> float:
        """Share of the pairs that have one of the four nearest places in their batch."""
        return float(np.mean([np.sort(np.abs(rows - row))[1] <= 2 for rows in batches for row in rows]))

    batches = epoch_order(on_a_line(512, 16), 32, (0,))
    assert sorted(np.concatenate(batches)) == list(range(512))
    assert together(batches) > 0.7 > 0.4 > together(epoch_order(pairs_of(range(512), range(512)), 32, (0,)))


def test_a_pair_brings_the_hardest_quarter_of_its_neighbours_and_as_many_of_the_rest():
    pairs = on_a_line(400, 16)
    first, *company = epoch_order(pairs, 64, (3,))[0].tolist()
    near = pairs.neighbours[first].tolist()
    assert company[:4] == near[:4]
    assert set(company[4:8]) <= set(near[4:]) and company[4:8] != near[4:8]
    assert company[8] not in near


def test_one_neighbourhood_takes_at_most_half_of_a_batch():
    pairs = on_a_line(400, 16)
    first, *company = epoch_order(pairs, 8, (3,))[0].tolist()
    near = pairs.neighbours[first].tolist()
    assert company[:2] == near[:2] and set(company[2:4]) <= set(near[2:]) and company[4] not in near


def test_of_a_tile_that_is_seen_through_a_view_only_that_is_there_which_the_view_shows(tmp_path):
    random = np.random.default_rng(0)
    tiles, views = (random.integers(1, 256, (count, 4, 4, 3), np.uint8) for count in (3, 2))
    views[0, :2] = 0
    views[1, :, 3] = 0
    for name, images in (("tiles", tiles), ("views", views)):
        write_shard(tmp_path / name, 0, [f"{name}{row}" for row in range(len(images))], images)
    side = Side("reference", tmp_path / "tiles", np.arange(3), through=tmp_path / "views")
    stores = {store: ImageStore(store) for store in side.stores}
    seen = side.read(stores, np.array([0, 1, 2]))
    for row, image in enumerate(seen):
        shown = views[row % 2].any(2)
        assert np.array_equal(image[shown], tiles[row][shown]) and not image[~shown].any()
