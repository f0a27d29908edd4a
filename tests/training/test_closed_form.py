import numpy as np
import pytest
import torch

from ucvgl.networks.adapter import Adapter, adapted, load_adapter, save_adapter
from ucvgl.training.closed_form import closed_form, describe, rotation, whitening, whitening_of_parts
from ucvgl.training.frozen_features import Features

PLACES, NUMBERS = 300, 24


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def write(folder, name, vectors, turns=1):
    """Parts as the embedders leave them: turns side by side, divided by their root."""
    parts = [folder / f"{name}-{number}.npy" for number in range(2)]
    for part, rows in zip(parts, np.array_split(vectors.reshape(len(vectors), -1) / turns**0.5, 2), strict=True):
        np.save(part, rows.astype(np.float32))
    return Features(parts, turns=turns)


@pytest.fixture
def pools(tmp_path):
    """Places whose numbers are scaled and shifted by each view in its own way, with three signs changed in one."""
    draw = np.random.default_rng(0)

    def pair(name, count):
        place = draw.standard_normal((count, NUMBERS))
        sides = {}
        for number, view in enumerate(("query", "reference")):
            scale = 1 + 3 * np.roll(np.linspace(0, 1, NUMBERS) ** 3, number)
            sign = np.where(np.arange(NUMBERS) < 3 * number, -1, 1)
            seen = place * sign + 0.9 * draw.standard_normal(place.shape)
            sides[view] = write(tmp_path, f"{name}-{view}", unit(seen * scale + 4 * (1 - number)))
        return sides

    return pair("train", PLACES), pair("held_out", PLACES)


def recall(adapter, pools):
    queries, references = (describe(adapter, pools[view], view) for view in ("query", "reference"))
    return np.mean((queries @ references.T).argmax(axis=1) == np.arange(len(queries)))


def test_whitening_makes_the_covariance_the_identity_where_nothing_is_added():
    vectors = np.random.default_rng(0).standard_normal((50, 4)) @ np.diag([5.0, 2, 1, 0.5])
    covariance = np.cov(vectors.T, bias=True)
    turned = whitening(covariance.astype(np.float32), shrinkage=0)
    np.testing.assert_allclose(turned @ covariance @ turned, np.eye(4), atol=1e-4)


def test_parts_are_whitened_each_by_itself_and_weigh_alike():
    axes = np.random.default_rng(0).standard_normal((4, 4))
    spread = axes @ axes.T
    turned = whitening_of_parts(spread.astype(np.float32), (1, 3), shrinkage=0)
    assert not turned[0, 1:].any() and not turned[1:, 0].any()
    variance = np.diag(turned @ spread @ turned)
    np.testing.assert_allclose([variance[:1].sum(), variance[1:].sum()], 1, rtol=1e-5)
    np.testing.assert_allclose(variance[1:], 1 / 3, rtol=1e-5)


def test_some_rows_are_read_as_if_there_were_no_others(tmp_path):
    vectors, rows = unit(np.random.default_rng(0).standard_normal((9, 2, 5))), np.array([7, 1, 8, 2])
    some = write(tmp_path, "all", vectors, turns=2).only(np.array([2, 8, 1, 7])).only(np.array([3, 2, 1, 0]))
    alone = write(tmp_path, "some", vectors[rows], turns=2)
    assert len(some) == 4
    np.testing.assert_array_equal(np.concatenate([*some.blocks()]), np.concatenate([*alone.blocks()]))
    np.testing.assert_allclose(some.mean(), alone.mean(), atol=1e-7)
    np.testing.assert_allclose(some.covariance(), alone.covariance(), atol=1e-7)


def test_the_covariance_is_that_of_all_rows_and_turns(tmp_path):
    vectors = unit(np.random.default_rng(0).standard_normal((9, 2, 5)))
    features = write(tmp_path, "some", vectors, turns=2)
    np.testing.assert_allclose(features.covariance(), np.cov(vectors.reshape(-1, 5).T, bias=True), atol=1e-6)


def test_a_rotation_is_orthogonal_and_follows_what_the_pairs_say():
    angle = np.array([[0.0, 1.0], [-1.0, 0.0]], np.float32)
    turned = rotation(angle, np.eye(2, dtype=np.float32), strength=100.0)
    np.testing.assert_allclose(turned @ turned.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(turned, angle, atol=0.02)
    np.testing.assert_allclose(rotation(angle, np.eye(2, dtype=np.float32), strength=0.0), np.eye(2), atol=1e-6)


def test_a_rotation_among_few_labelled_descriptors_is_that_among_all_axes():
    draw = np.random.default_rng(0)
    first, second = unit(draw.standard_normal((2, 3, 16)))
    few = rotation(first.T @ second, np.concatenate((first, second)), strength=5.0)
    np.testing.assert_allclose(few, rotation(first.T @ second, np.eye(16, dtype=np.float32), strength=5.0), atol=1e-5)


def test_centring_and_whitening_find_more_of_the_images_they_were_not_made_from(pools):
    train, held_out = pools
    rows = closed_form(train)
    assert list(rows) == ["frozen", "centred", "whitened", "aligned", "fair", "voted"]
    found = {name: recall(adapter, held_out) for name, adapter in rows.items()}
    assert found["frozen"] < found["centred"] < found["whitened"]


def test_an_adapter_keeps_its_maps_and_one_without_them_can_still_be_read(tmp_path, pools):
    adapter, seen = closed_form(pools[0])["voted"], torch.rand(3, 1, NUMBERS)
    save_adapter(adapter, tmp_path / "adapter.pt")
    for view in ("query", "reference"):
        with torch.no_grad():
            found = adapted(load_adapter(tmp_path / "adapter.pt"), seen, view)
            torch.testing.assert_close(found, adapted(adapter, seen, view))
    plain = Adapter(NUMBERS)
    torch.save({"adapter": (NUMBERS, NUMBERS, True), "state": plain.state_dict()}, tmp_path / "old.pt")
    with torch.no_grad():
        found = adapted(load_adapter(tmp_path / "old.pt"), seen, "query")
        torch.testing.assert_close(found, adapted(plain, seen, "query"))
