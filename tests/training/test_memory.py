import pytest
import torch

from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.experiment import Model
from ucvgl.training.memory import Need, rows_that_fit, rows_within

PANORAMA, TILE = Need(fixed=2, each=3), Need(fixed=1, each=1)


def peak(kinds, share: int, rows: int) -> float:
    """What `TwoTowers` keeps: all of a side that is a single part, and of one in parts the largest for a while."""
    if not rows or rows >= share:
        return max(sum(side.fixed + share * side.each for side in sides) for sides in kinds)
    return max(side.fixed + min(rows, share * len(sides)) * side.each for sides in kinds for side in sides)


@pytest.mark.parametrize("share", [2, 7, 64, 128])
@pytest.mark.parametrize("kinds", [[(PANORAMA, TILE)], [(PANORAMA, PANORAMA), (TILE, TILE)]])
def test_a_step_is_cut_only_where_it_must_be_and_its_parts_fit(share, kinds):
    for free in range(5, 1200, 7):
        rows = rows_within(free, kinds, share)
        assert peak(kinds, share, rows) <= free
        assert (rows == 0) == (peak(kinds, share, 0) <= free)


def test_parts_are_of_about_equal_size():
    assert rows_within(2 + 3 * 100, [(PANORAMA, TILE)], 128) == 64


def test_a_card_too_small_for_one_image_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="training this model on one image takes more; take a smaller model.backbone"):
        rows_within(4, [(PANORAMA, TILE)], 128)


def test_a_processor_sees_everything_at_once():
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    assert rows_that_fit(towers, [("query", "reference")], 128, torch.device("cpu")) == 0
