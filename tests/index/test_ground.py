"""The best tiles of a photo in the order of what their ground says; and the ground as an index keeps it."""

import numpy as np
import pyarrow as pa
import pytest

from tests.poses.flat_ground import panorama_over, patches
from ucvgl.images.decode import BadImage
from ucvgl.index.ground import Grounds, in_verified_order, packed, shown_by
from ucvgl.poses.ground_views import SIDE
from ucvgl.poses.turns import turned, turns_of
from ucvgl.poses.verifying import evidence, ground_spectra, tile_spectrum, verified
from ucvgl.settings.experiment import Projection

TILES = np.stack([patches(seed, SIDE) for seed in range(6)])
LEVEL = Projection(fov_deg=90.0, top_elevation_deg=90.0, bottom_elevation_deg=-90.0)
SHOW = shown_by("query", LEVEL)


def tile(row):
    return TILES[row]


def photo_on(row):
    return panorama_over(TILES[row], 128, 512, top=90, bottom=-90, half_side=1.0, heading=0.0)


def test_the_ground_that_is_kept_is_nearly_that_which_was_seen():
    kept = Grounds(pa.chunked_array([[packed(one)] for one in TILES]), "area/grounds.parquet")
    assert len(kept) == 6 and [one.shape for one in kept.all()] == [(SIDE, SIDE, 3)] * 6
    assert np.abs(np.stack(kept.all()).astype(int) - TILES).mean() < 4
    with pytest.raises(BadImage, match="area/grounds.parquet, row 1"):
        Grounds(pa.chunked_array([[packed(TILES[0]), b"none"]]), "area/grounds.parquet")(1)


def test_nothing_shows_the_ground_where_nothing_is_projected():
    assert shown_by("query", Projection(bev=False)) is None and shown_by("reference", Projection(bev=False)) is None


def test_the_first_tiles_stand_in_the_order_of_their_verified_scores():
    """Photo 0 stands on tile 4, photo 1 on tile 1, which is beyond those that are verified; photo 2 has few tiles."""
    assert SHOW is not None
    grounds = [SHOW(photo_on(row)) for row in (4, 1, 3)]
    score = np.array([[0.5, 0.49, 0.48, 0.47, 0.1], [0.5, 0.49, 0.48, 0.47, 0.1], [0.5, 0.4, *[-np.inf] * 3]])
    row = np.array([[0, 2, 4, 5, 1], [0, 2, 4, 5, 1], [2, 3, -1, -1, -1]])
    found, rows, turn = in_verified_order((score, row, np.zeros_like(row)), grounds, tile, count=4, heading="known")
    for number, (wanted, seen) in enumerate(zip(row, grounds, strict=True)):
        some = [one for one in wanted[:4] if one >= 0]
        told = [evidence(ground_spectra(seen), tile_spectrum(TILES[one])[None])[0] for one in some]
        scores = verified(score[number, : len(some)], np.array(told))
        assert rows[number, : len(some)].tolist() == [some[place] for place in np.argsort(-scores)]
        np.testing.assert_allclose(found[number, : len(some)], np.sort(scores)[::-1], atol=1e-6)
    assert rows[:, 0].tolist() == [4, rows[1, 0], 3] and rows[:2, 4].tolist() == [1, 1]
    assert (found[:2, 4] == 0.1).all() and (rows[2, 2:] == -1).all() and not turn.any()
    assert row[0, 0] == 0, "what was found before is left alone"


def test_where_the_heading_is_unknown_a_tile_is_compared_around_its_own_turn():
    """The panorama begins 100 degrees aside; of its true tile the nearest turn was found, of the others any."""
    assert SHOW is not None
    photo = turned(photo_on(4), 100.0)
    nearest = int(np.argmin(np.abs((turns_of("unknown") + 100 + 180) % 360 - 180)))
    row, turn = np.array([[0, 2, 4]]), np.array([[3, nearest, nearest]])
    score = np.array([[0.5, 0.5, 0.5]])
    _, rows, turns = in_verified_order((score, row, turn), [SHOW(photo)], tile, count=3, heading="unknown")
    assert (rows[0, 0], turns[0, 0]) == (4, nearest)
    askew = turn + np.array([[0, 0, 6]])
    (first, *_), _, _ = (some[0] for some in in_verified_order(
        (score, row, askew % 24), [SHOW(photo)], tile, count=3, heading="unknown"
    ))  # fmt: skip
    right, *_ = in_verified_order((score, row, turn), [SHOW(photo)], tile, count=3, heading="unknown")[0][0]
    assert right > first, "at a quarter turn it fits no better than others"
