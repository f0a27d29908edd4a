"""The stages of an adaptation one after the other, in one process: what each leaves behind, and what is judged."""

import json

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.in_process import InProcess
from ucvgl.images.image_store import write_shard
from ucvgl.networks.adapter import load_adapter
from ucvgl.networks.frozen import FROZEN
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.programs.embedding import parts_of
from ucvgl.settings.experiment import Adaptation, Dataset, Experiment, Model, Projection
from ucvgl.stages.adapt import adapt
from ucvgl.stages.catalog import catalog, read_catalogs
from ucvgl.stages.evaluate_adapter import evaluate_adapter, read_ways
from ucvgl.stages.features import features
from ucvgl.stages.judge_rows import read_verdict
from ucvgl.training.closed_form import FREE, closed_form
from ucvgl.training.frozen_features import Features

SIZE, VIEWS = 16, 3
TRAIN, TESTED, DISTRACTORS = range(40), range(40, 64), range(64, 70)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Buildings in the tree of University-1652: blocks of colour from above, and flights with other light and noise."""
    home, draw = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    folders = [("train/{}", TRAIN), ("test/query_{}", TESTED), ("test/gallery_{}", [*TESTED, *DISTRACTORS])]
    tiles = {place: np.kron(draw.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1))) for place in range(70)}
    for folder, places in folders:
        for place in places:
            noise = 60 * draw.standard_normal((VIEWS, SIZE, SIZE, 3))
            flight = 0.6 * tiles[place][None] + 50 + noise
            for kind, pictures in (("satellite", tiles[place][None]), ("drone", flight)):
                into = home / folder.format(kind) / f"{place:04d}"
                into.mkdir(parents=True)
                for number, picture in enumerate(pictures):
                    cv2.imwrite(str(into / f"image-{number}.png"), picture.clip(0, 255).astype(np.uint8))
    torch.manual_seed(0)
    save_towers(TwoTowers(Model(channels=16, safa_heads=4), (SIZE, SIZE), (SIZE, SIZE)), home / "model.pt")
    return home


@pytest.fixture(scope="module", params=["mutual", "groups"])
def run(request, home, tmp_path_factory):
    run = tmp_path_factory.mktemp(request.param)
    settings = Adaptation(
        source=str(home / "model.pt"), strategy=request.param, neighbours=VIEWS - 1, final_threshold=0.2,
        rounds=3, steps_per_round=20, batch=32, reciprocal=VIEWS, learning_rate=0.01,
        result="judged",
    )  # fmt: skip
    dataset = Dataset(name="university1652", root=str(home), panorama_height=SIZE, panorama_width=SIZE, tile_size=SIZE)
    experiment = Experiment(dataset=dataset, projection=Projection(bev=False), adaptation=settings)
    for name in ("listed", "projected", "described", "trained", "scored"):
        (run / name).mkdir()
    catalog(run / "listed", experiment=experiment, both_ways=True)
    for split, listed in read_catalogs(run / "listed").items():
        for names, table in ((("queries", "bev"), listed.queries), (("references",), listed.references)):
            images = np.stack([cv2.imread(uri)[:, :, ::-1] for uri in table["uri"].to_pylist()])
            for name in names:
                write_shard(run / "projected" / split / name, 0, table["id"].to_pylist(), images)
    rows = []

    def log(**row):
        rows.append(row)

    made = {"projected": run / "projected", "experiment": experiment}
    features(run / "described", **made, machines=InProcess(log))
    adapt(run / "trained", **made, described=run / "described", machines=InProcess(log), log=log)
    folders = {"described": run / "described", "trained": run / "trained"}
    evaluate_adapter(run / "scored", **made, **folders, machines=InProcess(log))
    return run


def test_votes_are_those_of_queries_that_were_brought_together_where_the_strategy_says_so(run):
    train = {view: Features(parts_of(run / "described" / "train" / view)) for view in ("query", "reference")}
    kept = load_adapter(run / "trained" / "free" / "voted" / "adapter.pt").state_dict()
    made = {count: closed_form(train, shared=VIEWS, neighbours=count)["voted"].state_dict() for count in (0, VIEWS - 1)}
    alike = {count: all(torch.equal(kept[name], own[name]) for name in own) for count, own in made.items()}
    assert alike == {0: run.name.startswith("mutual"), VIEWS - 1: run.name.startswith("groups")}


def test_all_pools_of_both_questions_are_described_by_the_kind_of_image(run):
    counts = {
        f"{split}/{view}": sum(len(np.load(part)) for part in (run / "described" / split / view).glob("*.npy"))
        for split in ("train", "validation", "back")
        for view in ("query", "reference")
    }
    assert counts == {
        "train/query": 40 * VIEWS, "train/reference": 40,
        "validation/query": 24 * VIEWS, "validation/reference": 30,
        "back/query": 30 * VIEWS, "back/reference": 24,
    }  # fmt: skip
    assert (run / "described" / FROZEN).exists()


def test_every_round_leaves_its_labels_and_its_adapter(run):
    for index in range(3):
        assert (run / "trained" / f"round_{index:02d}" / "adapter.pt").exists()
        labels = pq.read_table(run / "trained" / f"round_{index:02d}" / "pairs.parquet")
        assert labels.column_names == ["query", "reference", "weight", "query_id", "reference_id", "label"]
        assert len(labels) > 8
        alike = pq.read_table(run / "trained" / f"round_{index:02d}" / "alike.parquet")
        assert alike.column_names == ["one", "other"] and (len(alike) > 8) == run.name.startswith("groups")
    assert not list((run / "trained").glob("round_*/scan")), "descriptors of a round are not kept"
    chosen = read_verdict(run / "trained").result
    last = torch.load(run / "trained" / "free" / chosen / "adapter.pt")["state"]
    final = torch.load(run / "trained" / "model.pt")["adapter"]["state"]
    assert all(torch.equal(last[name], final[name]) for name in last)
    assert not (run / "trained" / "judge").exists(), "what was made for the judge is not kept"


def test_both_questions_are_judged_in_their_own_pools_before_and_after(run):
    found = read_ways(run / "scored")
    for when in ("before", "after"):
        forth, back = found[when]["drone to satellite"], found[when]["satellite to drone"]
        assert (forth.queries, forth.references, forth.positives) == (24 * VIEWS, 30, 1.0)
        assert (back.queries, back.references, back.positives) == (24, 30 * VIEWS, VIEWS)
        for way in (forth, back):
            assert 0 < way.more["AP (trapezoid)"] <= way.more["AP (plain)"] + 1e-9
        assert "what else the encoders were trained on, before this run, is not known" in forth.protocol
    assert found["before"]["drone to satellite"].r1 > 2 / 30, "the frozen model is no better than chance"


def test_the_table_of_rounds_has_frozen_descriptors_first_and_the_precision_of_labels(run):
    rounds = pq.read_table(run / "scored" / "rounds.parquet").to_pylist()
    free = [*FREE]
    assert [row["name"] for row in rounds] == [*free, "start", "round_00", "round_01", "round_02"]
    assert [row["labels"] is None for row in rounds] == 7 * [True] + 3 * [False]
    assert all(0 < row["precision"] <= 1 for row in rounds[7:])
    saved = json.loads((run / "scored" / "recall.json").read_text())
    (result,) = [row for row in rounds if row["result"]]
    verdict = read_verdict(run / "trained")
    assert result["name"] == verdict.result and list(verdict.judged) == [*FREE, "adapted"]
    for name, row in [*zip(FREE, rounds, strict=False), ("adapted", rounds[-1])]:
        assert [row["forth_judged"], row["back_judged"]] == [100 * way.value for way in verdict.judged[name]]
    assert saved["after"]["drone to satellite"]["r1"] == result["forth_r1"]
    assert saved["before"]["satellite to drone"]["r1"] == rounds[0]["back_r1"]
