import cv2
import numpy as np
import pytest

from tests.poses.flat_ground import patches, seen_from
from ucvgl.poses.ground_views import SIDE
from ucvgl.poses.placing import FEWEST_PAIRS, KNOWN, REACH, UNKNOWN, Placing, learned, likeness, place

ANYWHERE = Placing(sharpness=0.02, off_centre=0.15, off_north_deg=4.0, pairs=99)


@pytest.mark.parametrize(("east", "north", "heading"), [(9.0, -6.0, 0.0), (-12.5, 3.5, 7.0), (0.0, 10.0, -8.0)])
def test_a_camera_is_found_where_it_was_put_and_looks_where_it_was_turned(east, north, heading):
    tile = patches(3, SIDE)
    pose = place(seen_from(tile, east, north, heading), tile, ANYWHERE)
    assert (pose.east * SIDE, pose.north * SIDE) == pytest.approx((east, north), abs=0.7)
    assert pose.heading_deg == pytest.approx(heading, abs=1.5) and pose.radius * SIDE < 1.5


@pytest.mark.parametrize("heading", [-178.0, 93.0])
def test_a_heading_that_nobody_knows_is_found_all_around(heading):
    tile = patches(5, SIDE)
    pose = place(seen_from(tile, 4.0, 5.0, heading), tile, ANYWHERE, UNKNOWN)
    assert abs((pose.heading_deg - heading + 180) % 360 - 180) < 2.5 and pose.heading_radius_deg < 6
    assert (pose.east * SIDE, pose.north * SIDE) == pytest.approx((4.0, 5.0), abs=0.8)


def test_the_size_in_pixels_makes_no_difference():
    tile = patches(3, 2 * SIDE)
    pose = place(seen_from(tile, 18.0, -12.0, 0.0), tile, ANYWHERE)
    assert (pose.east, pose.north) == pytest.approx((18 / 2 / SIDE, -12 / 2 / SIDE), abs=0.01)


def test_where_ground_tells_nothing_the_camera_stands_in_the_middle_as_far_off_as_usual():
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    pose = place(grey, patches(1, SIDE), ANYWHERE)
    assert (pose.east, pose.north, pose.heading_deg) == pytest.approx((0, 0, 0), abs=1e-6)
    assert 0.2 < pose.radius < 0.3  # 1.51 standard deviations hold 68 % in the plane; a tenth stands anywhere


def test_likeness_is_a_sum_of_products_at_every_shift():
    """Against the tile rolled by hand; ground beyond its edge counts nothing."""
    tile = patches(2, SIDE)
    found = likeness(seen_from(tile, 0, 0, 0), tile, (0.0,)).sum(0)[0]
    assert np.unravel_index(found.argmax(), found.shape) == (REACH, REACH)
    shifted = likeness(np.roll(tile, (-6, -4), (0, 1)), tile, (0.0,)).sum(0)[0]
    assert np.unravel_index(shifted.argmax(), shifted.shape) == (REACH - 6, REACH + 4)  # camera 4 east, 6 south


@pytest.fixture(scope="module")
def crowd():
    """Cameras two or three pixels off the middle of tiles that look a little different since."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(36):
        tile = patches(number, SIDE)
        bev = seen_from(tile, rng.normal(0, 2.5), rng.normal(0, 2.5), 0.0)
        noise = cv2.resize(rng.normal(0, 60, (16, 16, 3)), (SIDE, SIDE))
        found.append((np.clip(bev + noise, 0, 255).astype(np.uint8), tile))
    return found


def both(pairs, turns=(0.0, 3.0)):
    """The halves of pairs, and those of strangers."""
    tiles = [tile for _, tile in pairs]
    others = [(bev, tile) for (bev, _), tile in zip(pairs, tiles[1:] + tiles[:1], strict=True)]
    own, strange = (np.stack([likeness(bev, tile, turns) for bev, tile in some]) for some in (pairs, others))
    return own, strange, turns


def test_where_cameras_stand_is_learned_from_pairs_whose_pose_nobody_tells(crowd):
    placing = learned(*both(crowd))
    assert 0.6 < placing.off_centre * SIDE / 2.5 < 1.4 and placing.pairs == len(crowd)


def test_pairs_that_are_none_teach_nothing(crowd):
    tiles = [tile for _, tile in crowd]
    strangers = [(bev, tile) for (bev, _), tile in zip(crowd, tiles[5:] + tiles[:5], strict=True)]
    with pytest.raises(ValueError, match="do not show where on their tiles they lie; `ucvgl doctor --geometry`"):
        learned(*both(strangers))
    few = np.zeros((2, 2, len(KNOWN), 39, 39), np.float32)
    with pytest.raises(ValueError, match=f"2 pairs of panorama and tile are too few .* takes {FEWEST_PAIRS}"):
        learned(few, few)


def test_a_placing_is_made_of_positive_numbers():
    with pytest.raises(ValueError, match="positive numbers"):
        Placing(float("nan"), 0.1, 3.0, 40)
