import threading

import cv2
import numpy as np
import torch

import ucvgl.poses.structure
from tests.poses.flat_ground import patches
from ucvgl.poses.structure import CELLS, CHANNELS, describe, shown, structure, windows
from ucvgl.pseudo_labels.whitening import unit


def test_bright_on_dark_and_dark_on_bright_are_the_same_edge():
    tile = patches(1)
    grey = np.repeat(tile[..., :1], 3, axis=2)
    for channel in (0, 3, 6):
        here, there = (structure(image)[channel].ravel() for image in (grey, 255 - grey))
        assert np.corrcoef(here, there)[0, 1] > 0.9


def test_the_angle_is_doubled_so_that_turning_an_image_by_a_quarter_turns_the_sign():
    tile = patches(2)
    field, turned = structure(tile), structure(np.rot90(tile).copy())
    back = np.rot90(turned, -1, (1, 2))
    assert np.allclose(back[:3], field[:3], atol=1e-4)
    assert np.allclose(back[3:], -field[3:], atol=1e-4)


def test_strength_is_a_share_and_flat_ground_has_none():
    assert not structure(np.full((8, 8, 3), 90, np.uint8)).any()
    strength = structure(patches(3))[:3]
    assert strength.min() >= 0 and 0.5 < strength.max() <= 1


def test_images_of_one_colour_are_described_too_alike_and_as_their_mirror_images():
    images = np.stack([np.full((16, 16, 3), 0, np.uint8), np.full((16, 16, 3), 200, np.uint8), patches(4, 16)])
    vectors = describe(images)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.array_equal(vectors[0], vectors[1]) and vectors[0] @ vectors[2] < 0.95
    assert np.array_equal(describe(images[:2], mirrored=True), vectors[:2])


def test_a_camera_that_stands_a_little_aside_is_told_from_others_more_clearly_than_by_cells_with_borders():
    tiles = np.stack([patches(seed) for seed in range(30)])
    aside = cv2.getRotationMatrix2D((47.5, 47.5), 5, 1) + [[0, 0, 4], [0, 0, -3]]
    views = np.stack([cv2.warpAffine(tile, aside, (96, 96), borderMode=cv2.BORDER_REFLECT) for tile in tiles])

    def lead(described: list[np.ndarray]) -> float:
        """Of the own tile over the best other one, mean of all views."""
        view, tile = (unit(some - some.mean(0)) for some in described)
        alike = view @ tile.T
        return float(np.mean(np.diag(alike) - (alike - 9 * np.eye(30)).max(1)))

    side = 96 // CELLS
    with_borders = [
        np.stack([structure(one).reshape(9, CELLS, side, CELLS, side).mean((2, 4)).ravel() for one in some])
        for some in (views, tiles)
    ]
    assert lead([describe(views), describe(tiles)]) > lead(with_borders) + 0.05


def test_windows_are_means_and_the_same_from_either_end():
    for side in (64, 97):
        window = windows(side)
        assert window.shape == (CELLS, side) and np.allclose(window.sum(1), 1)
        assert np.allclose(window, window[::-1, ::-1], atol=1e-6)
        middles = (np.arange(1, CELLS - 1) + 0.5) * side / CELLS - 0.5
        assert np.allclose(window[1:-1] @ np.arange(side), middles, atol=0.05 * side / CELLS)


def test_what_is_not_shown_says_nothing_and_takes_nothing_from_the_rest():
    tile = patches(5)
    part = tile.copy()
    part[:, 48:] = 0
    cells = describe(part[None]).reshape(CELLS, CELLS, CHANNELS)
    assert not cells[:, 7:].any(), "cells beyond the edge of what is shown"
    whole = describe(np.ascontiguousarray(tile[None, :, :48])).reshape(CELLS, CELLS, CHANNELS)
    assert np.isfinite(whole).all() and cells[:, :5].any((1, 2)).all()
    other = part.copy()
    other[:, :48] = patches(6)[:, :48]
    assert np.array_equal(describe(other[None]) != 0, cells.reshape(1, -1) != 0), "which cells are shown, not what"
    strength = structure(part, shown(part))
    inside = structure(tile[:, :48].copy())[:, :, :40]
    assert np.allclose(strength[:, :, :40], inside, atol=0.1), "as strong as if nothing were missing"


def test_single_black_pixels_are_shadows():
    tile = patches(7)
    tile[10:13, 10:14] = 0
    assert shown(tile) is None
    tile[30:60, 30:70] = 0
    inside = shown(tile)
    assert inside is not None
    y, x = np.mgrid[:96, :96]
    beside = np.maximum(np.maximum(30 - y, y - 59), np.maximum(30 - x, x - 69))
    assert np.array_equal(inside == 0, beside <= 2), "and two pixels around"


def test_views_are_described_as_many_at_a_time_as_there_are_threads(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    expected, together = describe(images), threading.Barrier(3, timeout=30)

    def met(image):
        together.wait()  # breaks unless three are looked at at the same time
        return shown(image)

    monkeypatch.setattr(ucvgl.poses.structure, "shown", met)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert np.array_equal(describe(images), expected)
