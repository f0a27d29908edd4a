"""Photos that begin anywhere are found as if they had been turned to the north before."""

from dataclasses import replace

import numpy as np
import pytest

from tests.index.areas import EXPERIMENT, change_manifest, make_index, pictures, pixels_of
from ucvgl.index.headings import check_heading, each_turned, search
from ucvgl.index.localizer import load
from ucvgl.poses.turns import TURNS, best_turns, turned, turns_of


def test_a_panorama_turned_clockwise_has_in_its_middle_what_was_to_the_right():
    columns = np.arange(8, dtype=np.uint8)[None, :, None].repeat(3, 2)
    assert turned(columns, 90)[0, :, 0].tolist() == [2, 3, 4, 5, 6, 7, 0, 1]
    np.testing.assert_array_equal(turned(turned(columns, 135), -135), columns)


def test_the_best_tiles_over_all_turns_are_those_of_a_search_that_looks_at_everything():
    """Small whole numbers: ties are common, and products exact."""
    random = np.random.default_rng(0)
    for k in (1, 3, 7):
        vectors, tiles = (random.integers(-3, 4, size).astype(np.float32) for size in ((20, 5, 4), (9, 4)))

        def find(asked, k, tiles=tiles):
            everything = asked @ tiles.T
            order = np.argsort(-everything, axis=1, kind="stable")[:, :k]
            return np.take_along_axis(everything, order, 1), order

        score, row, turn = search(find, vectors, k)
        whole = vectors @ tiles.T
        np.testing.assert_array_equal(score, -np.sort(-whole.max(1), axis=1)[:, :k])
        assert all(len(set(rows)) == k for rows in row.tolist())
        at = whole[np.arange(20)[:, None], turn, row]
        np.testing.assert_array_equal(at, score)


def test_where_there_are_fewer_tiles_than_asked_for_the_rest_is_none():
    score, row = np.full((1, 2, 3), -np.inf, np.float32), np.full((1, 2, 3), -1)
    score[0, :, 0], row[0, :, 0] = (0.5, 0.75), (4, 4)
    best, tiles, turn = best_turns(score, row)
    assert (best[0].tolist(), tiles[0].tolist()) == ([0.75, -np.inf, -np.inf], [4, -1, -1]) and turn[0, 0] == 1


def test_a_photo_that_begins_elsewhere_is_answered_as_the_one_that_does_not(tmp_path):
    make_index(tmp_path / "area")
    photo = pixels_of(pictures(tmp_path / "photos", 1, (48, 24 * 8), seed=5)[0])
    known = load(tmp_path / "area")
    (north,) = known.localize(photo)
    assert north.heading_deg is None and north.confidence is not None
    asked = load(tmp_path / "area", heading="unknown")
    answers = asked.localize([turned(photo, turn) for turn in (0, 45, 300)])
    tiles = [[(tile.id, round(tile.similarity, 4)) for tile in answer.candidates] for answer in answers]
    assert tiles[0] == tiles[1] == tiles[2] and tiles[0][0][1] >= round(north.candidates[0].similarity, 4)
    headings = np.array([answer.heading_deg for answer in answers])
    np.testing.assert_allclose((headings - headings[0]) % 360, [0, 45, 300], atol=1e-6)
    assert answers[0].confidence is None and answers[0].note == "no confidence: the index is for known headings"
    change_manifest(tmp_path / "area", heading="unknown")
    (made_for,) = load(tmp_path / "area").localize(photo)
    assert made_for.heading_deg is not None and made_for.confidence is not None and not made_for.note


def test_photos_that_are_no_panoramas_are_not_turned():
    assert len(turns_of("unknown")) == len(list(each_turned(np.zeros((1, 4, 3), np.uint8), "unknown"))) == TURNS
    with pytest.raises(ValueError, match="no bird's-eye views of its photos: ask with --heading known"):
        check_heading("unknown", replace(EXPERIMENT.projection, bev=False))
    check_heading("known", replace(EXPERIMENT.projection, bev=False))
