"""A view against tiles over poses; the oracle slides the one over the other by hand."""

import cv2
import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from tests.poses.flat_ground import patches, seen_from
from ucvgl.poses.fields import NEAR, field
from ucvgl.poses.verifying import (
    KNOWN,
    OFF_CENTRE,
    REACH,
    SHARPNESS,
    SIDE,
    WEIGHT,
    evidence,
    fits,
    ground_spectra,
    tile_spectrum,
    verified,
)

GREY = np.full((SIDE, SIDE, 3), 128, np.uint8)


def found(bev: np.ndarray, tiles: list[np.ndarray]) -> np.ndarray:
    return evidence(ground_spectra(bev), torch.stack([tile_spectrum(tile) for tile in tiles]))


def overlap(shift: int) -> tuple[slice, slice]:
    """Pixels of a view, and those of a tile that lie under them when it is moved so far."""
    return slice(max(0, -shift), SIDE - max(0, shift)), slice(max(0, shift), SIDE + min(0, shift))


def shares(log_odds: np.ndarray) -> np.ndarray:
    """Of what is usual; a tenth is anywhere."""
    odds = np.exp(log_odds)
    return 0.9 * odds / odds.sum() + 0.1 / odds.size


def slid_by_hand(bev: np.ndarray, tile: np.ndarray) -> float:
    """The evidence as its formula says it: products of the pixels that meet, summed at every pose."""
    middle = np.arange(SIDE) + 0.5 - SIDE / 2
    weight = np.exp(-(middle[:, None] ** 2 + middle**2) / 2 / (NEAR * SIDE / 2) ** 2)
    below, moves = field(tile, SIDE), range(-REACH, REACH + 1)
    stands = shares(np.array([[-(x**2 + y**2) / 2 / (OFF_CENTRE * SIDE) ** 2 for x in moves] for y in moves]))
    looks = shares(-((np.array(KNOWN.degrees) / KNOWN.deviation) ** 2) / 2)
    odds = []
    for turn, often in zip(KNOWN.degrees, looks, strict=True):
        matrix = cv2.getRotationMatrix2D((SIDE / 2 - 0.5,) * 2, -turn, 1)
        turned = cv2.warpAffine(bev, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
        ground = (field(turned, SIDE) * weight).astype(np.float64)
        for y in moves:
            for x in moves:
                (own_rows, rows), (own_columns, columns) = overlap(y), overlap(x)
                alike = np.vdot(ground[:, own_rows, own_columns], below[:, rows, columns])
                odds.append(np.log(often * stands[y + REACH, x + REACH]) + SHARPNESS * alike)
    return float(logsumexp(odds))


def test_evidence_is_that_of_sums_of_products_over_the_pixels_that_meet_at_every_pose():
    tile = patches(1, SIDE)
    bev = seen_from(tile, 9.0, -11.0, 3.0)
    expected = [slid_by_hand(bev, other) for other in (tile, patches(2, SIDE))]
    assert found(bev, [tile, patches(2, SIDE)]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("side", [SIDE, 96, 240])
@pytest.mark.parametrize(("east", "north", "heading"), [(0.0, 0.0, 0.0), (0.2, -0.1, 0.0), (-0.12, 0.15, 5.0)])
def test_a_camera_aside_and_turned_a_little_has_most_evidence_for_its_own_tile(side, east, north, heading):
    tiles = [patches(number, side) for number in range(12)]
    own, *strange = found(seen_from(tiles[0], east * side, north * side, heading), tiles)
    assert own > max(strange) + 10


def test_what_speaks_for_a_tile_does_not_depend_on_which_others_are_tried():
    tiles = [patches(number, SIDE) for number in range(5)]
    together = found(tiles[0], tiles)
    np.testing.assert_allclose([found(tiles[0], [tile])[0] for tile in tiles], together, rtol=1e-6)
    np.testing.assert_allclose(found(tiles[0], tiles[::-1]), together[::-1], rtol=1e-6)


def test_a_mirrored_world_has_the_same_evidence():
    """So nothing but the ground tells a decoy, the mirror image of a tile, from a stranger's tile."""
    tiles = [patches(number, SIDE) for number in range(4)]
    bev = seen_from(tiles[0], 5.0, 3.0, 2.0)
    mirrored = found(bev[:, ::-1].copy(), [tile[:, ::-1] for tile in tiles])
    np.testing.assert_allclose(mirrored, found(bev, tiles), rtol=1e-3)


def test_ground_of_one_colour_speaks_for_no_tile_and_no_ground_for_a_tile_of_one_colour():
    tiles = [patches(1, SIDE), GREY, 0 * GREY]
    assert found(GREY, tiles) == pytest.approx([0, 0, 0], abs=1e-4)
    assert found(tiles[0], tiles)[1:] == pytest.approx([0, 0], abs=1e-4)


def test_evidence_is_added_to_the_cosine_in_its_unit():
    assert verified(np.array([0.5, 0.25]), np.array([8.0, 0.0])).tolist() == [0.5 + 8 * WEIGHT, 0.25]


@pytest.mark.parametrize(("east", "north", "heading"), [(0.0, 0.0, 0.0), (0.25, -0.125, 0.0), (-0.125, 0.125, 4.0)])
def test_a_view_lies_best_where_its_camera_stood_and_as_it_was_turned(east, north, heading):
    tiles = [patches(number, 96) for number in range(3)]
    spectra = torch.stack([tile_spectrum(tile) for tile in tiles])
    ground = ground_spectra(seen_from(tiles[0], east * 96, north * 96, heading))
    own, *strange = fits(ground, spectra)
    assert (own.east, own.north) == pytest.approx((east, north), abs=1.01 / SIDE)
    assert own.turn_deg == heading
    assert [fit.evidence for fit in (own, *strange)] == pytest.approx(evidence(ground, spectra).tolist())
