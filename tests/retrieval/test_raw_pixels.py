import cv2
import numpy as np
import pytest

from ucvgl.retrieval.raw_pixels import raw_recall, recall_at_1, shrink


def pictures(seed: int, n: int) -> np.ndarray:
    """Smooth random pictures of 64 by 64 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
    return np.stack([cv2.resize(image, (64, 64), interpolation=cv2.INTER_CUBIC) for image in coarse])


def naive_colour_recall(bevs: np.ndarray, tiles: np.ndarray, truth: np.ndarray) -> float:
    hits = []
    for bev, true in zip(bevs, truth, strict=True):
        scores = []
        for tile in tiles:
            channels = [np.corrcoef(bev[..., k].ravel(), tile[..., k].ravel())[0, 1] for k in range(3)]
            scores.append(np.mean(channels))
        hits.append(all(scores[true] > score for row, score in enumerate(scores) if row != true))
    return float(np.mean(hits))


def test_colour_is_the_mean_correlation_of_the_channels():
    tiles = pictures(0, 12)
    noise = np.random.default_rng(1).normal(0, 260, tiles.shape)
    truth = np.random.default_rng(2).permutation(12)
    bevs = np.clip(tiles[truth] + noise[truth], 0, 255).astype(np.uint8)
    bevs[:5] = pictures(9, 5)
    expected = naive_colour_recall(bevs, tiles, truth)
    assert 0 < expected < 1
    assert raw_recall(bevs, tiles, truth)["colour"] == expected


def test_a_search_finds_what_was_turned_and_shifted():
    tiles = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    tiles = np.stack([cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR) for image in tiles])
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), 6, 1)
    matrix[:, 2] += (-4, 4)
    bevs = np.stack([cv2.warpAffine(tile, matrix, (64, 64)) for tile in tiles])
    found = raw_recall(bevs, tiles, np.arange(20))
    assert found["colour_search"] == found["edges_search"] == 1
    assert found["colour"] < 1


def test_structure_finds_what_changed_its_light_and_colours():
    tiles = pictures(0, 30)
    found = raw_recall(255 - tiles[..., ::-1] // 2, tiles, np.arange(30))
    assert found["structure"] == 1 > found["colour"]


def test_a_tie_counts_against_the_method():
    score = np.array([[1.0, 1.0], [0.0, 1.0]])
    assert recall_at_1(score, np.array([0, 1])) == 0.5


def test_of_several_true_tiles_any_is_a_hit_and_none_is_a_rival():
    score = np.array([[0.5, 0.9, 0.8], [0.5, 0.4, 0.6], [0.5, 0.5, 0.1]])
    assert recall_at_1(score, np.array([[0, 1], [0, 1], [0, 1]])) == pytest.approx(2 / 3)
    assert recall_at_1(score, np.array([[2, -1], [2, -1], [-1, -1]])) == 0.5


def test_shrunk_images_give_the_recall_of_the_whole_ones():
    tiles = np.repeat(np.repeat(pictures(0, 6), 2, axis=1), 2, axis=2)
    truth = np.arange(6)
    assert raw_recall(shrink(tiles), shrink(tiles), truth) == raw_recall(tiles, tiles, truth)


def test_a_query_without_a_tile_is_not_counted():
    assert recall_at_1(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, -1])) == 1
