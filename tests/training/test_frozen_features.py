import numpy as np
import pytest

from ucvgl.atomic import write_array
from ucvgl.training.frozen_features import Features

TURNS, DIMENSION = 2, 3


@pytest.fixture
def stored(tmp_path):
    """Two parts as the embedders write them, and the unit vectors that they hold."""
    vectors = np.random.default_rng(0).standard_normal((7, TURNS, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    flat = vectors.reshape(7, -1) / np.float32(TURNS**0.5)
    parts = [tmp_path / f"part-0000{number}.npy" for number in range(2)]
    write_array(parts[0], flat[:4])
    write_array(parts[1], flat[4:])
    return Features(parts, turns=TURNS), vectors


def test_rows_are_read_in_the_order_asked_for_from_any_part(stored):
    features, vectors = stored
    assert len(features) == 7 and features.dimension == DIMENSION
    rows = np.array([6, 0, 4, 3, 3])
    np.testing.assert_allclose(features.read(rows), vectors[rows], atol=1e-6)


def test_blocks_are_all_rows_part_by_part(stored):
    features, vectors = stored
    blocks = list(features.blocks())
    assert [len(block) for block in blocks] == [4, 3]
    np.testing.assert_allclose(np.concatenate(blocks), vectors, atol=1e-6)


def test_the_mean_is_over_rows_and_turns(stored):
    features, vectors = stored
    np.testing.assert_allclose(features.mean(), vectors.reshape(-1, DIMENSION).mean(axis=0), atol=1e-6)
