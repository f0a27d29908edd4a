"""The jobs that are told labels, whole, on one small world; one of them is on Ray in tests/ray."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rendered_world import PLACES, rendered_world
from without_ray import Crew, without_ray

import ucvgl.stages.supervised
from ucvgl.images.image_store import ImageStore
from ucvgl.methods import labelled
from ucvgl.methods.labelled import semi_supervised, supervised
from ucvgl.networks.towers import embed, load_towers
from ucvgl.run.run_dir import RunDir
from ucvgl.settings import presets
from ucvgl.settings.experiment import ColdStart, Curriculum, Experiment, Supervision, Translation
from ucvgl.stages.catalog import read_catalogs

LABELLED = PLACES // 4


@pytest.fixture(scope="module", autouse=True)
def here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        without_ray(patch)
        patch.setattr(labelled, "Machines", lambda folder, resources, log: Crew(log))
        yield


@pytest.fixture(scope="module")
def small(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    base = presets.tiny()
    root = rendered_world(shared_folder, tmp_path_factory.mktemp("images"))
    world = replace(base.dataset.synthetic, train_places=PLACES)
    return replace(
        base,
        dataset=replace(base.dataset, root=str(root), synthetic=world),
        translation=Translation(steps=2, batch=4, channels=4, blocks=1),
        cold_start=ColdStart(intra_epochs=1, intra_steps=0, cross_epochs=1),
        curriculum=Curriculum(rounds=2, epochs_per_round=1, scan_turns=1),
        resources=replace(base.resources, workers=1, worker_cpus=1, images_per_shard=32),
    )


@pytest.fixture(scope="module")
def semi(small, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "semi"
    with RunDir(path, experiment := replace(small, supervision=Supervision(label_fraction=0.25))) as run:
        said = semi_supervised(run, experiment)
    assert f"labels: {LABELLED} of {PLACES} training queries came with their true tile (25 %)" in said
    return path


def told(run: Path) -> dict[str, str]:
    rows = pq.read_table(run / "2_labels" / "pairs.parquet").to_pylist()
    return {row["query_id"]: row["reference_id"] for row in rows}


def test_labels_are_a_share_of_the_truth_and_no_pseudo_label_touches_them(semi: Path, small: Experiment) -> None:
    (world,) = Path(small.dataset.root).iterdir()
    tables = [pq.read_table(file).to_pylist() for file in world.glob("truth/train-*.parquet")]
    truth = {row["query_id"]: row["reference_id"] for table in tables for row in table}
    known = told(semi)
    assert len(known) == LABELLED and known.items() <= truth.items()
    for file in sorted(semi.glob("5_curriculum/round_*/pairs.parquet")):
        rows = [row for row in pq.read_table(file).to_pylist() if row["label"]]
        assert not {row["query_id"] for row in rows} & set(known)
        assert not {row["reference_id"] for row in rows} & set(known.values())


def test_known_pairs_were_trained_on_in_the_cold_start_and_the_page_and_the_card_say_so(semi: Path) -> None:
    rows = [json.loads(line) for line in (semi / "metrics.jsonl").read_text().splitlines()]
    assert any("known_loss" in row for row in rows if row.get("stage") == "cold_start_cross")
    for file in ("report.html", "MODEL_CARD.md"):
        assert f"{LABELLED} of {PLACES} training queries came with their true tile (25 %)" in (semi / file).read_text()


def test_supervised_training_begins_with_the_nearest_places_and_goes_on_with_the_most_similar(
    small: Experiment, semi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ucvgl.stages.supervised, "HARD_NEGATIVES", 8)
    one = replace(small.model, shared=True, aggregation="mean")
    experiment = replace(presets.supervised(small), curriculum=small.curriculum, model=one)
    experiment = replace(experiment, supervision=Supervision(label_fraction=1.0))
    with RunDir(tmp_path / "run", experiment) as run:
        said = supervised(run, experiment)
    assert f"labels: {PLACES} of {PLACES} training queries came with their true tile (100 %)" in said
    train, trained = run.path / "2_project" / "train", run.path / "5_supervised"
    references, known = ImageStore(train / "references"), told(run.path)
    first, second = (np.load(trained / f"round_{index:02d}" / "neighbours.npy") for index in range(2))
    assert first.shape == second.shape == (PLACES, 8)

    tiles = read_catalogs(run.path / "1_catalog")["train"].references.to_pylist()
    place = {row["id"]: np.radians([row["lat"], row["lon"]]) for row in tiles}
    query_ids = [row["query_id"] for row in pq.read_table(run.path / "2_labels" / "pairs.parquet").to_pylist()]
    for number in (0, 17, PLACES - 1):
        own = known[query_ids[number]]
        others = [identity for identity in references.ids.tolist() if identity != own]
        nearest = sorted(_angle(place[own], place[other]) for other in others)[:8]
        found = [_angle(place[own], place[identity]) for identity in references.ids[first[number]].tolist()]
        np.testing.assert_allclose(found, nearest, rtol=1e-6)

    assert not np.array_equal(first, second)
    assert not (trained / "round_01" / "scan").exists()
    own_rows = references.rows_of([known[identity] for identity in query_ids])
    for neighbours in (first, second):
        assert (neighbours >= 0).all() and not (neighbours == own_rows[:, None]).any()
    names = pq.read_table(run.path / "6_evaluate" / "rounds.parquet")["name"].to_pylist()
    assert names == ["cold", "round_00", "round_01"]
    assert "How it learned from labels" in (run.path / "report.html").read_text()

    fine = replace(experiment, supervision=Supervision(label_fraction=0.1, start=str(run.path)))
    with RunDir(tmp_path / "fine", fine) as tuned:
        said = supervised(tuned, fine)
    assert f"13 of {PLACES} training queries came with their true tile (10.2 %)" in said
    assert f"begun with the encoders of {run.path}, which saw {PLACES} labels" in said
    _most_similar_by_hand(tuned.path, trained / "model.pt")


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    (lat, lon), (lat2, lon2) = one, other
    half = np.sin((lat - lat2) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin((lon - lon2) / 2) ** 2
    return float(2 * np.arcsin(np.sqrt(half)))


def _most_similar_by_hand(run: Path, model: Path) -> None:
    """A fine-tuned model knows from its first round on which of the labelled tiles it confuses."""
    train, towers = run / "2_project" / "train", load_towers(model)
    stores = [ImageStore(train / view) for view in ("queries", "references")]
    rows = pq.read_table(run / "2_labels" / "pairs.parquet").to_pylist()
    query, reference = (
        store.rows_of([row[name] for row in rows])
        for store, name in zip(stores, ("query_id", "reference_id"), strict=True)
    )
    score = embed(towers, stores[0].read(query), "query") @ embed(towers, stores[1].read(reference), "reference").T
    np.fill_diagonal(score, -np.inf)
    found = np.load(run / "5_supervised" / "round_00" / "neighbours.npy")
    by_hand = reference[np.argsort(-score, axis=1)[:, :8]]
    assert (found == by_hand).mean() > 0.9  # embedders may round otherwise, in bfloat16
