"""Candidates verified by workers; the oracle compares pair by pair."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import ucvgl.poses.verifying
import ucvgl.programs.verified
from tests.poses.flat_ground import patches
from ucvgl.images.image_store import write_shard
from ucvgl.images.mirror_images import mirror_image
from ucvgl.poses.fields import turned
from ucvgl.poses.verifying import KNOWN, NEAREST_ALONE, SIDE, evidence, ground_spectra, tile_fields, tile_spectrum
from ucvgl.programs.verified import (
    cut,
    keep_verified,
    read_verified,
    shard_path,
    verify_candidates,
    write_candidates,
)
from ucvgl.training import workers

QUERIES, TILES = 11, 7


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    monkeypatch.setattr(ucvgl.programs.verified, "QUERIES_AT_ONCE", 3)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    home = tmp_path_factory.mktemp("stores")
    for name, count, seed in (("bev", QUERIES, 0), ("tiles", TILES, 5)):
        images = np.stack([patches(seed + number, SIDE) for number in range(count)])
        write_shard(home / name, 0, [f"{number:02d}" for number in range(4)], images[:4])
        write_shard(home / name, 1, [f"{number:02d}" for number in range(4, count)], images[4:])
    return {"bevs": home / "bev", "tiles": home / "tiles"}


CANDIDATES = np.random.default_rng(0).integers(-1, 2 * TILES, (QUERIES, 4))
CANDIDATES[2] = -1


def verify(folder, stores, candidates=CANDIDATES, around=None, turns=KNOWN, known=None):
    write_candidates(candidates, folder, around)
    ends = {"known": known, "turns": turns, "device": torch.device("cpu"), "log": lambda **row: None}
    verify_candidates(cut(len(candidates)), folder=folder, **stores, **ends)


def assert_found(found, view_of, turns):
    """That every candidate has the evidence of its pair alone; `view_of` gives the view of a query for a candidate."""
    for (query, place), number in np.ndenumerate(CANDIDATES):
        if number < 0:
            assert found[query, place] == -np.inf
            continue
        tile = patches(5 + number % TILES, SIDE)
        tile = mirror_image(tile) if number >= TILES else tile
        ground = ground_spectra(view_of(query, place), turns=turns)
        (expected,) = evidence(ground, tile_spectrum(tile)[None], turns)
        assert found[query, place] == pytest.approx(expected, rel=1e-5)


def test_numbers_beyond_the_tiles_are_their_mirror_images_and_none_has_no_evidence(tmp_path, stores):
    verify(tmp_path, stores)
    assert_found(read_verified(cut(QUERIES), tmp_path), lambda query, _: patches(query, SIDE), KNOWN)


@pytest.mark.parametrize("each", [False, True])
def test_a_view_is_compared_around_the_heading_that_is_thought_to_be_right(tmp_path, stores, each):
    around = np.random.default_rng(1).choice([0.0, 90.0, 345.0], (QUERIES, 4) if each else QUERIES)
    verify(tmp_path, stores, around=around, turns=NEAREST_ALONE)

    def view(query: int, place: int) -> np.ndarray:
        return turned(patches(query, SIDE), float(around[query, place] if each else around[query]))

    assert_found(read_verified(cut(QUERIES), tmp_path), view, NEAREST_ALONE)


@contextmanager
def torch_threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_threads_nor_how_few_tiles_are_held_change_what_is_found(tmp_path, stores, monkeypatch, threads):
    verify(tmp_path / "whole", stores)
    monkeypatch.setattr(ucvgl.programs.verified, "SPECTRA", 4)
    with torch_threads(threads):
        verify(tmp_path / "few", stores)
        assert torch.get_num_threads() == threads
    whole, few = (read_verified(cut(QUERIES), tmp_path / name) for name in ("whole", "few"))
    np.testing.assert_array_equal(few, whole)


def compare_as_a_card_does(monkeypatch):
    monkeypatch.setattr(ucvgl.programs.verified, "_takes_many", lambda device: True)


def test_what_views_are_compared_by_is_made_in_several_threads_beside_a_card_too(tmp_path, stores, monkeypatch):
    together, module = threading.Barrier(3, timeout=30), ucvgl.programs.verified

    def made(tile):
        together.wait()  # breaks unless three are at work at the same time
        return tile_fields(tile)

    compare_as_a_card_does(monkeypatch)
    monkeypatch.setattr(module, "tile_fields", made)
    write_candidates(np.array([[0, 1, 2]]), tmp_path)
    with torch_threads(3):
        verify(tmp_path, stores, np.array([[0, 1, 2]]), turns=NEAREST_ALONE)
    assert np.isfinite(read_verified(cut(1), tmp_path)).all()


@pytest.mark.parametrize("at_once", [1, 5, 512])
@pytest.mark.parametrize("known", [False, True])
def test_many_pairs_at_once_find_what_one_view_after_the_other_does(tmp_path, stores, monkeypatch, at_once, known):
    around, before = np.random.default_rng(1).choice([0.0, 345.0], (QUERIES, 4)), tmp_path / "before"
    if known:
        keep_verified(CANDIDATES[:, :2], np.full((QUERIES, 2), 7, np.float32), before)
    verify(tmp_path / "each", stores, around=around, known=before)
    compare_as_a_card_does(monkeypatch)
    monkeypatch.setattr(ucvgl.poses.verifying, "PAIRS_AT_ONCE", at_once)
    verify(tmp_path / "many", stores, around=around, known=before)
    each, many = (read_verified(cut(QUERIES), tmp_path / name) for name in ("each", "many"))
    np.testing.assert_allclose(many, each, rtol=1e-5)


def test_any_number_of_workers_leaves_the_same_files(tmp_path, stores, monkeypatch):
    verify(tmp_path / "one", stores)
    monkeypatch.setattr(workers, "size", lambda: 3)
    for number in range(3):
        before = {*(tmp_path / "three").glob("*")}
        monkeypatch.setattr(workers, "rank", lambda number=number: number)
        verify(tmp_path / "three", stores)
        assert {*(tmp_path / "three").glob("*")} > before, "each has a part"
    names = [file.name for file in (tmp_path / "one").iterdir()]
    assert sorted(names) == sorted(file.name for file in (tmp_path / "three").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_queries_are_verified_once_and_what_was_lost_again(tmp_path, stores):
    verify(tmp_path, stores)
    whole = read_verified(cut(QUERIES), tmp_path)
    kept, lost = (shard_path(tmp_path, shard) for shard in cut(QUERIES)[:2])
    np.save(kept, np.full((3, 4), 7, np.float32))
    lost.unlink()
    verify(tmp_path, stores)
    again = read_verified(cut(QUERIES), tmp_path)
    assert (again[:3] == 7).all()
    np.testing.assert_array_equal(again[3:], whole[3:])


def test_what_is_known_of_a_pair_is_not_found_again(tmp_path, stores):
    others = np.roll(CANDIDATES, 1, axis=1)
    others[::2, 0] = (others[::2, 0] + 1) % (2 * TILES)
    for name, known in (("all", tmp_path / "nothing"), ("new", tmp_path / "known")):
        if name == "new":
            keep_verified(CANDIDATES, np.where(CANDIDATES < 0, -np.inf, np.float32(7)), known)
        verify(tmp_path / name, stores, others, known=known)
    whole, new = (read_verified(cut(QUERIES), tmp_path / name) for name in ("all", "new"))
    before = np.array([[one in of for one in each] for each, of in zip(others, CANDIDATES.tolist(), strict=True)])
    assert 0.5 < before.mean() < 1
    expected = np.where(others < 0, -np.inf, np.where(before, 7, whole))
    np.testing.assert_allclose(new, expected, rtol=1e-6)


def test_a_pool_of_fewer_tiles_than_are_asked_for_is_verified_whole(tmp_path, stores):
    few = np.array([[1, 0, -1, -1]] * QUERIES)
    verify(tmp_path, stores, few)
    assert np.isfinite(read_verified(cut(QUERIES), tmp_path)[:, :2]).all()


@pytest.mark.parametrize("queries", [1, 3, 7])
def test_every_query_is_in_one_shard(queries):
    assert [row for start, stop in cut(queries) for row in range(start, stop)] == list(range(queries))
