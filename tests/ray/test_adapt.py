"""The adaptation from the outside: resumed it makes the same, one worker or two, and it never reads the truth.

Its workers are killed in tests/ray/test_end_to_end.py, where the group is the same; what each of its own stages goes on
from is seen in processes that run all programs themselves.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from one_job import Job, artefacts, log_of
from rendered_world import FLAGS as WORLD
from rendered_world import rendered_world

import ucvgl
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.settings.experiment import Model
from ucvgl.stages.catalog import read_catalogs
from ucvgl.training.closed_form import FREE

FLAGS = (
    "--adaptation.rounds=3",
    "--adaptation.steps-per-round=20",
    "--adaptation.batch=64",
    "--adaptation.result=adapted",  # how the judge chooses is in tests/stages/test_adapt.py
    *WORLD,
    "--contrast.batch=32",
)
STAGES = ["1_catalog", "2_project", "3_features", "4_adapt", "5_evaluate"]


@pytest.fixture(scope="module")
def job(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """The job on a frozen model of random weights: its map of colours already tells places apart, a little."""
    images = rendered_world(shared_folder, tmp_path_factory.mktemp("images"))
    torch.manual_seed(0)
    save_towers(TwoTowers(Model(channels=32, safa_heads=4), (32, 128), (32, 32)), images / "model.pt")
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        yield Job(images, Path(ray), script="adapt.py", flags=(f"--adaptation.source={images}/model.pt", *FLAGS))


@pytest.fixture(scope="module")
def on_ray(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """By two workers."""
    run = tmp_path_factory.mktemp("runs") / "on_ray"
    return run, job.finish(run, "--resources.workers=2")


@pytest.fixture(scope="module")
def undisturbed(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By one, in the process of the job."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    replace(job, alone=True).finish(run)
    return run


def test_a_run_ends_with_recall_before_and_after_both_ways(on_ray: tuple[Path, list[str]]) -> None:
    run, printed = on_ray
    assert sorted(file.parent.name for file in run.glob("*/DONE.json")) == STAGES
    ends = [line.partition(": R@1")[0] for line in printed[-4:]]
    assert ends == [
        f"{when}, {way}" for when in ("frozen", "adapted") for way in ("query to reference", "reference to query")
    ]
    assert all("AP (trapezoid)" in line for line in printed[-4:])
    rounds = pq.read_table(run / "5_evaluate" / "rounds.parquet").to_pylist()
    assert [row["name"] for row in rounds] == [*FREE, "start", "round_00", "round_01", "round_02"]
    assert rounds[-1]["forth_r10"] > 10 / 64, "no better than chance"
    page, card = (run / "report.html").read_text(), (run / "MODEL_CARD.md").read_text()
    assert "Both ways, before and after" in page and "How the adapter was trained without labels" in page
    assert "EM-CVGL" in card and "| frozen model |" in card


def test_photos_and_tiles_are_described_afterwards_as_they_were_in_the_run(on_ray: tuple[Path, list[str]]) -> None:
    run = on_ray[0]
    encoders = ucvgl.load(run).encoders
    listed = read_catalogs(run / "1_catalog")["validation"]
    for view, table in (("query", listed.queries), ("reference", listed.references)):
        embedded = run / "5_evaluate" / "embeddings" / "round_02" / view / "part-00000.npy"
        order = ImageStore(run / "2_project" / "validation" / ("queries" if view == "query" else "references")).ids
        uris = dict(zip(table["id"].to_pylist(), table["uri"].to_pylist(), strict=True))
        embed = encoders.embed_queries if view == "query" else encoders.embed_references
        np.testing.assert_allclose(embed([uris[identity] for identity in order]), np.load(embedded), atol=2e-3)


def test_killed_and_without_truth_it_makes_the_same(job: Job, undisturbed: Path) -> None:
    run, alone = undisturbed.with_name("disturbed"), replace(job, alone=True)
    (world,) = (folder for folder in job.images.iterdir() if folder.is_dir())
    aside = shutil.move(world / "truth", job.images.with_name("truth"))
    try:
        alone.kill(run, when=lambda: any(run.glob("3_features.partial/*/*/part-*.npy")))
        alone.kill(run, when=lambda: any(run.glob("4_adapt.partial/round_00/adapter.pt")))
        assert "no ground truth" in "\n".join(alone.finish(run)), log_of(run)
    finally:  # the next test needs it
        shutil.move(aside, world / "truth")
    made, expected = artefacts(run), artefacts(undisturbed)
    training = {name for name in expected if name.startswith(("1_", "2_", "3_", "4_"))}
    assert any(name.endswith("round_02/pairs.parquet") for name in training)
    assert {name: made[name] for name in training} == {name: expected[name] for name in training}


def test_two_workers_of_ray_give_the_answer_of_one_process_to_rounding(
    undisturbed: Path, on_ray: tuple[Path, list[str]]
) -> None:
    both = undisturbed, on_ray[0]
    images = [{name: file for name, file in artefacts(run).items() if name[0] in "12"} for run in both]
    assert images[0] == images[1]
    features = [sorted(str(file.relative_to(run)) for file in run.glob("3_features/*/*/*.npy")) for run in both]
    assert features[0] == features[1] != []
    for name in features[0]:
        np.testing.assert_allclose(np.load(both[1] / name), np.load(both[0] / name), atol=1e-6, err_msg=name)
    labels = [pq.read_table(run / "4_adapt" / "round_00" / "pairs.parquet") for run in both]
    assert labels[0].equals(labels[1])
    one, two = (torch.load(run / "4_adapt" / "round_00" / "adapter.pt")["state"] for run in both)
    for name, weights in one.items():
        np.testing.assert_allclose(two[name].numpy(), weights.numpy(), atol=1e-4, err_msg=name)
    reached = [json.loads((run / "5_evaluate" / "recall.json").read_text())["after"] for run in both]
    for way, numbers in reached[0].items():
        assert abs(numbers["r10"] - reached[1][way]["r10"]) < 0.05
