import numpy as np

from tests.poses.flat_ground import panorama_over, patches
from ucvgl.poses.log_polar import CELL_STEP, TURNS, of_panorama, of_tile


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_a_panorama_and_its_tile_look_alike_at_the_true_crop_scale_and_heading_only():
    truth = {"top": 20.0, "bottom": -70.0, "half_side": 8.0, "heading": 40.0}
    tile = patches(1)
    panorama = panorama_over(tile, 128, 512, **truth)
    seen = of_tile(tile, cells=8)

    def at(top: float = 20.0, side: float = 8.0, heading: float = 40.0) -> float:
        field, _ = of_panorama(panorama, top_deg=top, bottom_deg=-70, farthest=side, cells=8, turn_deg=heading)
        return alike(field, seen)

    assert at() > 0.8
    assert max(at(top=30.0), at(side=12.0), at(heading=80.0), at(heading=-40.0)) < 0.6


def test_a_turn_is_a_shift_of_columns_and_a_scale_a_shift_of_rows():
    panorama = panorama_over(patches(2), 128, 512, top=30, bottom=-60, half_side=9, heading=0)
    crop = {"top_deg": 30.0, "bottom_deg": -60.0}
    plain, _ = of_panorama(panorama, **crop, farthest=9, cells=8)
    turned, _ = of_panorama(panorama, **crop, farthest=9, cells=8, turn_deg=360 / TURNS)
    assert alike(np.roll(plain, 1, axis=1), turned) > 0.99
    nearer, _ = of_panorama(panorama, **crop, farthest=9 * np.exp(-CELL_STEP), cells=7)
    assert alike(plain[2:], nearer[1:]) > 0.98


def test_rows_that_a_crop_leaves_out_are_told():
    panorama = np.zeros((64, 256, 3), np.uint8)
    _, shown = of_panorama(panorama, top_deg=45, bottom_deg=-45, farthest=20, cells=20)
    # a lower edge at 45 degrees shows ground from one camera height on: 20 exp(-CELL_STEP r) > 1
    expected = np.log(20) / CELL_STEP
    assert shown[: int(expected) - 1].min() == 1 and not shown[int(expected) + 1 :].any()
