import numpy as np
import pytest
import torch

from tests.poses.flat_ground import panorama_over, patches
from ucvgl.poses.geometry import FEWEST_PAIRS, find_geometry, lead, likeness, threshold
from ucvgl.poses.log_polar import TURNS


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
