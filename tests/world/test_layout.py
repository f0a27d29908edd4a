import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucvgl.settings.dataset import Dataset, Synthetic, WorldLook
from ucvgl.truth.door import read_truth
from ucvgl.world import panorama_worlds
from ucvgl.world.layout import layout_of
from ucvgl.world.levels import LEVELS
from ucvgl.world.panorama import camera_pose, view_generator
from ucvgl.world.world import build_world

SMALL = 260
LOOK = WorldLook(tile_side_m=50.0, seamless=True)
WORLD = build_world(7, LEVELS["medium"], LOOK, side_m=SMALL)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 38), side_m=st.floats(20, 80))  # as many as tiles of 80 m have room for
def test_a_camera_has_the_tile_in_whose_central_half_it_stands_and_the_three_others_that_show_it(count, side_m):
    world = dataclasses.replace(WORLD, look=dataclasses.replace(LOOK, tile_side_m=side_m))
    lay = layout_of(world, count)
    for k, spot in enumerate(lay.spots):
        x, y, _ = camera_pose(world, spot, view_generator(world, k))
        off = np.abs(lay.tiles - (x, y)).max(1)  # of every tile
        assert off.argmin() == lay.own[k] and off.min() <= side_m / 4
        assert set(np.flatnonzero(off < side_m / 2)) == {lay.own[k], *lay.near[k]}
        assert len(set(lay.near[k])) == 3


def test_tiles_leave_no_gap_and_several_cameras_share_one():
    lay = layout_of(WORLD, 60)
    across = np.ptp(lay.tiles, axis=0)
    columns, rows = np.rint(across / 25).astype(int) + 1
    assert len(lay.tiles) == columns * rows
    assert np.bincount(lay.own).max() > 1
    off = np.array([lay.spots[k] - lay.tiles[own] for k, own in enumerate(lay.own)])
    assert np.abs(off).max() > 10  # not all in the middle


def test_a_world_without_room_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"world 7 has room for \d+ places, 5000 were asked for"):
        layout_of(WORLD, 5000)


def test_semi_positives_of_a_rendered_world_are_spared_by_the_hit_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(panorama_worlds, "build_world", lambda *told: build_world(*told, side_m=SMALL))
    told = Synthetic(
        look=LOOK, train_places=2, validation_places=6, panorama_height=16, panorama_width=64, tile_size=16
    )
    dataset = Dataset(root=str(tmp_path), synthetic=told)
    home = panorama_worlds.home(dataset)
    panorama_worlds.render_world(told, panorama_worlds.plan(told)[-1], home)
    truth, found = read_truth(dataset, "validation"), panorama_worlds.catalog(home, "validation")
    assert truth is not None and "hit rate" in truth.protocol
    queries, tiles = set(found.queries["id"].to_pylist()), set(found.references["id"].to_pylist())
    assert set(truth.positives) == set(truth.spared) == queries and len(queries) == 6 < len(tiles)
    for query in queries:
        (own,) = truth.positives[query]
        assert len({own, *truth.spared[query]} & tiles) == 4


def test_a_seamless_world_has_a_tile_for_every_camera():
    with pytest.raises(ValueError, match=r"look.seamless leaves no gap between tiles.*queries_without_reference"):
        panorama_worlds.plan(Synthetic(look=LOOK, queries_without_reference=0.1))
