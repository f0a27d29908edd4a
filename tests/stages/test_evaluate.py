"""The stage that reads the truth: every round is judged, by hand-made encoders' ranks, and nothing is without truth."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import ucvgl.stages.evaluate
from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SMALL, VALIDATION, draw_places, list_and_project
from ucvgl.distributed.selection import AskedAs, keep, rank_images
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import embed, load_towers, save_towers
from ucvgl.poses.turns import turned, turns_of
from ucvgl.poses.verifying import evidence, ground_spectra, tile_spectrum
from ucvgl.retrieval.ranking import Question
from ucvgl.settings.dotted import save_settings
from ucvgl.settings.experiment import Evaluation, Supervision
from ucvgl.stages.cold_start import new_towers
from ucvgl.stages.evaluate import SHOWN, evaluate, read_recall


class BrokenOff(InProcess):
    """Ends in the middle: when the second set of encoders is to be ranked."""

    ranked = 0

    def rank(self, *parts, **how):
        self.ranked += 1
        if self.ranked == 2:
            raise KeyboardInterrupt
        return super().rank(*parts, **how)


class UnverifiedAtFirst(InProcess):
    """Ends when the first set of encoders was verified, and loses that."""

    def verify(self, candidates, *, folder, **stores):
        super().verify(candidates, folder=folder, **stores)
        next(folder.glob("verified-*.npy")).unlink()
        raise KeyboardInterrupt


def evaluated(tmp_path, *, known=True, rounds=2, kept=None, evaluation=SMALL.evaluation, broken_off=None):
    """A run with encoders drawn at random for the cold start and every round, evaluated; its folders by name."""
    draw_places(tmp_path / "home", known=known)
    experiment = replace(SMALL, dataset=replace(SMALL.dataset, root=str(tmp_path / "home")), evaluation=evaluation)
    made = list_and_project(tmp_path / "run", experiment)
    cold, trained, scored = (tmp_path / "run" / name for name in ("4_cold_start", "5_curriculum", "6_evaluate"))
    for seed, folder in enumerate([cold, *(trained / f"round_{index:02d}" for index in range(rounds))]):
        folder.mkdir(parents=True)
        save_towers(new_towers(replace(experiment, seed=seed)), folder / "model.pt")
    result = folder if kept is None else keep(trained, kept)
    shutil.copyfile(result / "model.pt", trained / "model.pt")
    write_labels(made["projected"], trained / "round_00" / "pairs.parquet")
    scored.mkdir()
    inputs = {"projected": made["projected"], "cold": cold, "trained": trained, "experiment": experiment}
    if broken_off:
        with pytest.raises(KeyboardInterrupt):
            evaluate(scored, **inputs, machines=broken_off(lambda **row: None))
    said = evaluate(scored, **inputs, machines=InProcess(lambda **row: None))
    return {**made, "cold": cold, "trained": trained, "scored": scored, "said": said}


def write_labels(projected, path):
    """Four labels of the training images, one of which is right."""
    queries, references = (ImageStore(projected / "train" / view).ids for view in ("queries", "references"))
    true = dict(zip(names(projected, "queries"), names(projected, "references"), strict=True))
    wrong = [next(tile for tile in references if tile != true[query]) for query in sorted(true)]
    tiles = [true[sorted(true)[0]], *wrong[1:4]]
    numbers = {name: [0.5] * 4 for name in ("score", "margin", "reference_margin")}
    verdict = {"mutual": [True] * 4, "decoy": [False] * 4, "weight": [1.0] * 4, "label": [True] * 4}
    ids = {"query_id": sorted(true)[:4], "reference_id": tiles}
    pq.write_table(pa.table({**ids, **numbers, **verdict}), path)
    assert set(sorted(true)[:4]) <= set(queries)


def names(projected, view, split="train"):
    """Ids of a split in the order of the places."""
    table = pq.read_table(projected.with_name("1_catalog") / f"{split}_{view}.parquet").to_pylist()
    return [row["id"] for row in sorted(table, key=lambda row: row["uri"].rpartition("/")[2])]


def rank_by_hand(run, model, *, verified=False):
    """How many tiles are at least as similar to each query as its own, the own one left out.

    Args:
        verified: whether the ground adds to the similarity.
    """
    stores = {view: ImageStore(run["projected"] / "validation" / view) for view in ("queries", "references")}
    towers = load_towers(model)
    query, reference = (
        embed(towers, store.read(range(VALIDATION)), view)
        for store, view in zip(stores.values(), ("query", "reference"), strict=True)
    )
    pairs = dict(zip(*(names(run["projected"], view, "validation") for view in stores), strict=True))
    own = stores["references"].rows_of([pairs[identity] for identity in stores["queries"].ids.tolist()])
    score = query @ reference.T
    if verified:
        bevs = ImageStore(run["projected"] / "validation" / "bev").read(range(VALIDATION))
        tiles = [tile_spectrum(tile) for tile in stores["references"].read(range(VALIDATION))]
        score += np.stack([evidence(ground_spectra(bev), torch.stack(tiles)) for bev in bevs]) / 80
    return [int((row >= row[tile]).sum()) - 1 for row, tile in zip(score, own, strict=True)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("evaluated"))


def test_the_cold_start_and_every_round_are_ranked_as_by_hand(run):
    rows = pq.read_table(run["scored"] / "rounds.parquet").to_pylist()
    assert [row["name"] for row in rows] == ["cold", "round_00", "round_01"]
    for row in rows:
        folder = run["cold"] if row["name"] == "cold" else run["trained"] / row["name"]
        ranks = np.array(rank_by_hand(run, folder / "model.pt"))
        assert [row[name] for name in ("r1", "r5", "r10")] == [(ranks < k).mean() for k in (1, 5, 10)]
    reached, raw = read_recall(run["scored"])
    assert reached is not None and reached.r1 == rows[-1]["r1"] == run["said"]["r1"]
    assert (reached.queries, reached.references) == (VALIDATION, VALIDATION) and raw


def test_retrievals_are_those_of_the_last_round_and_say_which_are_right(run):
    rows = pq.read_table(run["scored"] / "retrievals.parquet").to_pylist()
    assert [row["rank"] for row in rows] == rank_by_hand(run, run["trained"] / "round_01" / "model.pt")
    for row in rows:
        assert row["scores"] == sorted(row["scores"], reverse=True) and len(row["scores"]) == SHOWN
        assert row["right"] == [place == row["rank"] for place in range(SHOWN)]


def test_the_precision_of_a_rounds_labels_is_told_after_training(run):
    rows = pq.read_table(run["scored"] / "rounds.parquet").to_pylist()
    assert [row["precision"] for row in rows] == [None, 0.25, None]


def test_rounds_after_the_one_that_is_kept_are_not_evaluated(tmp_path):
    run = evaluated(tmp_path, rounds=3, kept=[0.2, 0.5, 0.4])
    assert pq.read_table(run["scored"] / "rounds.parquet")["name"].to_pylist() == ["cold", "round_00", "round_01"]


def test_an_evaluation_that_was_broken_off_ends_as_an_undisturbed_one(run, tmp_path):
    scored = evaluated(tmp_path, broken_off=BrokenOff)["scored"]
    for name in ("rounds.parquet", "retrievals.parquet"):
        assert pq.read_table(scored / name).equals(pq.read_table(run["scored"] / name)), name
    assert (scored / "recall.json").read_text() == (run["scored"] / "recall.json").read_text()


def test_on_request_the_best_tiles_are_verified_over_poses_and_that_may_be_broken_off(run, tmp_path):
    every = Evaluation(verified=VALIDATION)
    found = evaluated(tmp_path / "whole", rounds=1, evaluation=every)
    rows, plain = (pq.read_table(one["scored"] / "rounds.parquet").to_pylist() for one in (found, run))
    for row in rows:
        folder = found["cold"] if row["name"] == "cold" else found["trained"] / row["name"]
        ranks = np.array(rank_by_hand(found, folder / "model.pt", verified=True))
        assert [row[name] for name in ("r1", "r5", "r10")] == [(ranks < k).mean() for k in (1, 5, 10)]
    assert rows[1]["r1"] > plain[1]["r1"] and rows[1]["judged"] > plain[1]["judged"]
    retrieved = pq.read_table(found["scored"] / "retrievals.parquet")
    result = found["trained"] / "round_00" / "model.pt"
    assert retrieved["rank"].to_pylist() == rank_by_hand(found, result, verified=True)
    again = evaluated(tmp_path / "broken", rounds=1, evaluation=every, broken_off=UnverifiedAtFirst)["scored"]
    for name in ("rounds.parquet", "retrievals.parquet"):
        assert pq.read_table(again / name).equals(pq.read_table(found["scored"] / name)), name


def test_the_descriptors_of_the_result_stay_and_no_others(run):
    files = [file for file in run["scored"].glob("embeddings/**/*") if file.is_file()]
    left = {file.relative_to(run["scored"]).parts[:3] for file in files}
    assert left == {("embeddings", "round_01", side) for side in ("query", "reference")}


def test_of_a_large_pool_only_the_cold_start_and_the_result_are_evaluated(run, tmp_path, monkeypatch):
    monkeypatch.setattr(ucvgl.stages.evaluate, "ALL_ROUNDS_PAIRS", VALIDATION**2 - 1)
    few = evaluated(tmp_path, rounds=2)["scored"]
    rows, all_rows = (pq.read_table(scored / "rounds.parquet").to_pylist() for scored in (few, run["scored"]))
    assert [rows[0], rows[2]] == [all_rows[0], all_rows[2]]
    assert rows[1] == all_rows[1] | dict.fromkeys(("r1", "r5", "r10", "judged", "judged_low", "judged_high"))


def test_without_truth_there_are_retrievals_and_an_estimate_and_no_recall(tmp_path):
    run = evaluated(tmp_path, known=False)
    assert run["said"]["r1"] is None and 0 <= run["said"]["judged"] <= 1
    assert json.loads((run["scored"] / "recall.json").read_text()) == {"recall": None, "raw_pixels": {}}
    rows = pq.read_table(run["scored"] / "retrievals.parquet").to_pylist()
    assert len(rows) == VALIDATION and not any(any(row["right"]) for row in rows)


def test_a_panorama_that_begins_anywhere_is_as_similar_as_at_its_best_turn(run, tmp_path):
    images, model = run["projected"] / "validation", run["trained"] / "round_01" / "model.pt"
    towers, tried = load_towers(model), turns_of("unknown")
    shown, tiles = (ImageStore(images / view).read(range(VALIDATION)) for view in ("queries", "references"))
    at_turns = [embed(towers, np.stack([turned(one, degrees) for one in shown]), "query") for degrees in tried]
    reference, decoy = (embed(towers, tiles, "reference", mirrored=mirrored) for mirrored in (False, True))
    similar = np.einsum("tqd,rd->tqr", np.stack(at_turns), np.concatenate([reference, decoy]))
    true = np.random.default_rng(0).integers(0, VALIDATION, (VALIDATION, 1))
    how, asked = AskedAs("panorama", 0, headings_searched=True), Question(true, np.empty((VALIDATION, 0), int))
    machines = InProcess(lambda **row: None)
    found = rank_images(tmp_path, model, images, [asked], machines, how=how)
    best = similar.max(0)
    np.testing.assert_array_equal(found.best_of_all.index[:, 0], best.argmax(1))
    np.testing.assert_array_equal(found.best.index[:, 0], best[:, :VALIDATION].argmax(1))
    bar = np.take_along_axis(best, true, 1)
    np.testing.assert_array_equal(found.ranks[0][:, 0], (best[:, :VALIDATION] >= bar - 1e-6).sum(1) - 1)
    kept = np.concatenate([np.load(part) for part in sorted((tmp_path / "query").glob("part-*.npy"))])
    turn = similar.max(2).argmax(0)
    np.testing.assert_allclose(kept, np.stack(at_turns)[turn, np.arange(VALIDATION)], atol=1e-5)
    assert len(np.unique(turn)) > 3 and not (tmp_path / "turns").exists()


def test_copies_of_training_images_and_of_tiles_are_told_with_the_recall(tmp_path, monkeypatch):
    draw = draw_places

    def with_copies(home, **how):
        draw(home, **how)
        for number in range(3):
            name = f"panorama/p{number:02d}.png"
            shutil.copyfile(home / "train" / name, home / "validation" / name)
        shutil.copyfile(home / "validation/satellite/s04.png", home / "validation/panorama/p05.png")

    monkeypatch.setattr(f"{__name__}.draw_places", with_copies)
    monkeypatch.setattr("tests.stages.drawn_places.cv2.imread", _of_one_shape(cv2.imread))
    recall, _ = read_recall(evaluated(tmp_path, rounds=1)["scored"])
    said = f"3 of the {VALIDATION} queries were TRAINED ON; 1 of the {VALIDATION} queries are TILES AS WELL"
    assert recall is not None and said in recall.protocol


def test_images_that_the_encoders_were_trained_on_in_an_earlier_run_are_told_with_the_recall(tmp_path, monkeypatch):
    """By their content: below another root they have other names."""
    earlier, draw = tmp_path / "earlier", list_and_project
    save_settings(earlier / "config.yaml", SMALL)

    def shown_before(run, experiment):
        made = draw(run, experiment)
        shutil.copytree(made["projected"] / "validation", earlier / "2_project" / "train")
        return made

    monkeypatch.setattr(f"{__name__}.list_and_project", shown_before)
    monkeypatch.setattr(f"{__name__}.SMALL", replace(SMALL, supervision=Supervision(start=str(earlier))))
    recall, _ = read_recall(evaluated(tmp_path, rounds=1)["scored"])
    assert recall is not None and f"{VALIDATION} of the {VALIDATION} queries were TRAINED ON before" in recall.protocol


def _of_one_shape(imread):
    """Tiles among panoramas are as wide as these."""
    def read(uri):
        image = imread(uri)
        return np.tile(image, (1, 4, 1)) if "panorama" in uri and image.shape[0] == image.shape[1] else image

    return read
