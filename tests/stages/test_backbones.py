"""Every stage with a network of timm in place of our own."""

from dataclasses import replace

import pytest
import torch

from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SMALL, VALIDATION, draw_places, list_and_project
from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.towers import load_towers
from ucvgl.settings.experiment import Adaptation, ColdStart, Contrast, Curriculum, Model, Translation
from ucvgl.stages.adapt import adapt
from ucvgl.stages.cold_start import cold_start
from ucvgl.stages.curriculum import curriculum
from ucvgl.stages.evaluate import evaluate, read_recall
from ucvgl.stages.evaluate_adapter import evaluate_adapter, read_ways
from ucvgl.stages.features import features

EXPERIMENT = replace(
    SMALL,
    translation=Translation(fake=False),
    contrast=Contrast(batch=8),
    cold_start=ColdStart(intra_epochs=1, intra_steps=0, cross_epochs=1),
    curriculum=Curriculum(rounds=1, mutual=False, min_margin=0.0, final_margin=0.0, scan_turns=1),
    adaptation=Adaptation(rounds=1, steps_per_round=2, batch=8, first_threshold=0.0),
)


def log(**row):
    pass


@pytest.fixture(params=["test_convnext", "test_vit", "strided"], scope="module")
def given(request, tmp_path_factory):
    """The experiment, its projected images, and a folder for each stage."""
    run = tmp_path_factory.mktemp(request.param)
    draw_places(run / "home")
    dataset = replace(EXPERIMENT.dataset, root=str(run / "home"))
    model = Model(backbone=request.param, safa_heads=2)
    if request.param == "strided":
        model = Model(channels=8, aggregation="map")
    experiment = replace(EXPERIMENT, dataset=dataset, model=model)
    projected = list_and_project(run, experiment)["projected"]
    folders = {name: run / name for name in ("translated", "cold", "trained", "scored", "described", "adapted")}
    for folder in folders.values():
        folder.mkdir()
    return experiment, projected, folders


def test_it_is_trained_from_the_cold_start_to_the_recall(given):
    experiment, projected, folders = given
    inputs = {"projected": projected, "experiment": experiment, "machines": InProcess(log)}
    made = {"translated": folders["translated"], "cold": folders["cold"]}
    cold_start(folders["cold"], translated=folders["translated"], **inputs)
    said = curriculum(folders["trained"], **made, **inputs, log=log)
    again = curriculum(folders["trained"], **made, **inputs, log=log)
    assert again == said, "killed before it could say so, a stage whose rounds are done says the same"
    evaluate(folders["scored"], cold=folders["cold"], trained=folders["trained"], **inputs)
    reached, _ = read_recall(folders["scored"])
    assert said["labels_in_last_round"] >= 8 and reached is not None and reached.queries == VALIDATION
    start, cold, last = (
        load_towers(file).state_dict()
        for file in (folders["cold"] / "start/model.pt", folders["cold"] / "model.pt", folders["trained"] / "model.pt")
    )
    for one, other in ((start, cold), (cold, last)):
        assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("given", ["test_convnext", "test_vit"], indirect=True)
def test_it_is_frozen_and_adapted(given):
    experiment, projected, folders = given
    inputs = {"projected": projected, "experiment": experiment}
    scored = folders["scored"] / "adapted"
    scored.mkdir()
    features(folders["described"], **inputs, machines=InProcess(log))
    adapt(folders["adapted"], **inputs, described=folders["described"], machines=InProcess(log), log=log)
    made = {"described": folders["described"], "trained": folders["adapted"]}
    evaluate_adapter(scored, **inputs, **made, machines=InProcess(log))
    assert {when for when, ways in read_ways(scored).items() if ways} == {"before", "after"}
    assert load_encoders(folders["adapted"] / "model.pt").dimension > 0
