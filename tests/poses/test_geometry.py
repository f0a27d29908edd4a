import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.poses.flat_ground import panorama_over, patches
from ucvgl.poses.geometry import (
    FEWEST_PAIRS,
    chance,
    find_geometry,
    lead,
    likeness,
    mirror_image,
    row_weights,
    threshold,
    whitened,
)
from ucvgl.poses.log_polar import TURNS, of_tile


def test_crop_scale_and_heading_are_found_without_knowing_what_belongs_together():
    truth = {"top": 32.0, "bottom": -58.0, "half_side": 9.0, "heading": 70.0}
    tiles = [patches(seed) for seed in range(16)]
    order = np.random.default_rng(0).permutation(16)
    panoramas = [panorama_over(tiles[k], 64, 256, **truth) for k in order]
    found = find_geometry(panoramas, tiles)
    assert found.sure and found.pairs >= FEWEST_PAIRS
    one = found.geometry
    told = [one.top_deg, one.bottom_deg, one.half_side, one.heading_deg]
    assert np.allclose(told, list(truth.values()), rtol=0, atol=[2, 2, 0.9, 2])


def test_panoramas_of_other_places_are_not_sure_of_anything():
    tiles = [patches(seed) for seed in range(16)]
    elsewhere = [patches(seed) for seed in range(100, 116)]
    crop = {"top": 30.0, "bottom": -60.0, "half_side": 9.0, "heading": 0.0}
    assert not find_geometry([panorama_over(one, 64, 256, **crop) for one in elsewhere], tiles).sure


def test_panoramas_that_are_nearly_copies_are_not_sure_of_anything_however_many_agree():
    rng = np.random.default_rng(0)
    crop = {"top": 30.0, "bottom": -60.0, "half_side": 9.0, "heading": 0.0}
    panoramas = [panorama_over(patches(100 + k % 5), 64, 256, **crop) for k in range(60)]
    panoramas = [np.clip(one + rng.normal(0, 4, one.shape), 0, 255).astype(np.uint8) for one in panoramas]
    found = find_geometry(panoramas, [patches(seed) for seed in range(60)])
    assert not found.sure


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_mirrored_field_is_that_of_the_mirrored_tile(seed):
    tile = patches(seed)
    field, mirrored = (torch.from_numpy(of_tile(one, cells=10))[None] for one in (tile, tile[:, ::-1].copy()))
    assert torch.allclose(mirror_image(field), mirrored, atol=0.02)  # `cv2.remap` rounds to 32nds of a pixel


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_likeness_is_the_best_correlation_with_any_tile_at_every_turn(seed, queries, references):
    """The oracle turns and correlates one by one, of mirrors that are mirrored as images."""
    tiles = [patches(seed + k) for k in range(references)]
    seen, flipped = (
        np.stack([of_tile(one, cells=10) for one in some]) for some in (tiles, [one[:, ::-1].copy() for one in tiles])
    )
    fields = np.random.default_rng(seed).normal(size=(queries, 10, TURNS, 9)).astype(np.float32)
    shown = np.ones(10, np.float32)
    query, *both = (whitened(one, row_weights(shown)) for one in (fields, seen, flipped))
    own, mirrored, which = likeness(fields, shown, seen)
    for turn in range(TURNS):
        turned = query.roll(turn, 2).flatten(1)
        own_product, mirror_product = (turned @ one.flatten(1).T for one in both)
        assert torch.allclose(own[:, turn], own_product.max(1).values, atol=5e-3)
        assert torch.allclose(mirrored[:, turn], mirror_product.max(1).values, atol=5e-3)
        if references > 1:
            top = own_product.gather(1, which[:, turn, None])[:, 0]
            assert torch.allclose(top, own_product.max(1).values, atol=5e-3)


def test_chance_is_told_by_all_the_geometries_that_are_wrong():
    leads = np.random.default_rng(0).normal(0, 3, (60, TURNS))
    leads[0, 0] = 1000
    assert chance(leads) == pytest.approx(3, rel=0.1)
    assert chance(leads / 10) == 1


def test_a_mirrored_field_is_found_among_the_mirrors_and_a_turned_one_at_its_turn():
    rng = np.random.default_rng(0)
    tiles = rng.normal(size=(5, 10, TURNS, 9)).astype(np.float32)
    shown = np.ones(10, np.float32)
    own, mirrored, which = likeness(np.roll(tiles, 3, axis=2), shown, tiles)
    turn = int(own.mean(0).argmax())
    assert turn == TURNS - 3 and torch.allclose(own[:, turn], torch.ones(5), atol=1e-3)
    assert which[:, turn].tolist() == list(range(5)) and mirrored.max() < 0.5
    signs = np.repeat(np.array([1, 1, -1], np.float32), 3)
    own, mirrored, _ = likeness(tiles[:, :, ::-1] * signs, shown, tiles)
    assert own.max() < 0.5 and torch.allclose(mirrored.max(1).values, torch.ones(5), atol=1e-3)


def test_the_lead_is_the_mean_preference_in_standard_errors():
    own, mirrored = torch.tensor([[1.0], [3.0], [2.0], [2.0]]), torch.ones(4, 1)
    assert lead(own, mirrored)[0] == pytest.approx(1 / (torch.tensor([0.0, 2.0, 1.0, 1.0]).std().item() / 2))


def test_as_many_preferences_are_kept_as_leave_one_in_ten_to_mirrors():
    assert threshold(np.array([5.0, 4.0, 3.0, -2.0, 1.0])) == 3.0
    assert threshold(np.array([-5.0, 4.0])) == np.inf
    many = np.array([*range(10, 30), -12.0])
    assert threshold(many) == 10.0
