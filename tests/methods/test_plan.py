"""Every setting is in the plan of what it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ucvgl.methods.plan import adapt, semi_supervised, supervised, unsupervised
from ucvgl.settings.dotted import Mistakes, dotted, setting_types
from ucvgl.settings.experiment import (
    Adaptation,
    ColdStart,
    Curriculum,
    Dataset,
    Evaluation,
    Experiment,
    Model,
    Resources,
    Supervision,
    Translation,
)

LABELLED = Experiment(supervision=Supervision(label_fraction=0.1))
FLOWN = Experiment(dataset=Dataset(name="synthetic_drone"))
HIGH = Experiment(dataset=Dataset(name="sues200"))
PLANS = (
    (unsupervised, Experiment()),
    (unsupervised, FLOWN),
    (unsupervised, HIGH),
    (semi_supervised, LABELLED),
    (supervised, LABELLED),
    (adapt, Experiment()),
)

def test_every_setting_of_the_paper_enters_some_stage_and_no_resource_enters_any() -> None:
    used = [{name for stage in plan(base) for name in dotted(stage.settings)} for plan, base in PLANS]
    by_content = {"adaptation.source"}
    known = {name for name in setting_types() if not name.startswith("resources.")}
    assert set.union(*used) & set(setting_types()) == known - by_content
    assert {name for name in used[0] if name.startswith("supervision.")} == set()
    for plan, base in PLANS:
        more = replace(base, resources=Resources(workers=9, search_rows=9))
        assert plan(more) == plan(base)


@pytest.mark.parametrize(("plan", "base"), PLANS)
def test_inputs_are_earlier_stages(plan: Callable, base: Experiment) -> None:
    names: list[str] = []
    for stage in plan(base):
        assert set(stage.inputs) <= set(names)
        names.append(stage.name)


@pytest.mark.parametrize("supervision", [Supervision(label_fraction=0.1), Supervision(start="runs/other")])
def test_the_unsupervised_job_refuses_labels_and_encoders_that_may_have_seen_some(supervision: Supervision) -> None:
    with pytest.raises(Mistakes, match=r"but jobs/unsupervised.py does not use it; jobs/semi_supervised.py"):
        unsupervised(Experiment(supervision=supervision))


@pytest.mark.parametrize("plan", [semi_supervised, supervised])
def test_a_labelled_job_wants_labels_and_only_its_trainings_are_made_from_them(plan: Callable) -> None:
    with pytest.raises(Mistakes, match="0 leaves no label; give a share, or use jobs/unsupervised.py"):
        plan(Experiment())
    made = [stage.name for stage in plan(LABELLED) if "2_labels" in stage.inputs]
    assert made == (["4_cold_start", "5_curriculum"] if plan is semi_supervised else ["5_supervised"])


def test_images_and_fakes_are_shared_with_a_run_without_labels() -> None:
    alone = {stage.name: stage for stage in unsupervised(Experiment())}
    shared = [stage.name for stage in semi_supervised(LABELLED) if stage == alone.get(stage.name)]
    assert shared == ["1_catalog", "2_project", "3_translate", "6_evaluate"]


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        (Experiment(curriculum=Curriculum(min_margin=0.5)), "5_curriculum"),
        (Experiment(curriculum=Curriculum(verified=10)), "5_curriculum"),
        (Experiment(evaluation=Evaluation(verified=10)), "6_evaluate"),
        (Experiment(cold_start=ColdStart(cross_epochs=99)), "4_cold_start"),
    ],
)
def test_a_setting_of_one_stage_leaves_the_earlier_ones_alone(changed: Experiment, first: str) -> None:
    differing = [
        old.name
        for old, new in zip(unsupervised(Experiment()), unsupervised(changed), strict=True)
        if old != new
    ]
    assert differing == [first]


def test_where_nothing_is_translated_what_decides_how_queries_are_described_still_is_in_the_plan() -> None:
    auto = replace(LABELLED, model=Model(query="auto"))
    faked = replace(auto, translation=Translation(fake=True))
    assert auto.query_by != faked.query_by
    differing = [old.name for old, new in zip(supervised(auto), supervised(faked), strict=True) if old != new]
    assert differing == ["4_cold_start", "5_supervised"]
    paper = replace(LABELLED, translation=Translation(fake=True))
    assert supervised(LABELLED) == supervised(paper)


def test_frozen_descriptors_are_kept_under_the_content_of_their_model_and_how_it_sees(tmp_path: Path) -> None:
    source = tmp_path / "model.pt"
    source.write_bytes(b"weights")

    def features(**settings: object) -> dict:
        chosen = replace(Adaptation(source=str(source)), **settings)
        return dotted({stage.name: stage for stage in adapt(Experiment(adaptation=chosen))}["3_features"].settings)

    first = features()
    assert features(rounds=3, aic_weight=0.0, strategy="groups") == first
    assert features(pooling="gem") != first
    moved = tmp_path / "moved.pt"
    source.rename(moved)
    assert features(source=str(moved)) == first
    moved.write_bytes(b"other weights")
    assert features(source=str(moved)) != first


def test_the_adapter_is_made_from_every_other_setting_of_the_adaptation() -> None:
    made = [stage.settings for stage in adapt(Experiment())]
    names = {name for settings in made for name in dotted(settings) if name.startswith("adaptation.")}
    assert names == {name for name in setting_types() if name.startswith("adaptation.")} - {"adaptation.source"}


def test_pools_for_the_way_back_are_listed_where_a_data_set_has_them() -> None:
    def back(**dataset: object) -> object:
        return dotted(adapt(Experiment(dataset=replace(Dataset(), **dataset)))[0].settings).get("dataset.back")

    assert back() is None
    assert back(name="cvact") is None
    assert back(name="university1652") == "satellite_to_drone"
    assert back(name="university1652", protocol="drone_to_satellite_160k") == "satellite_to_drone"
    assert back(name="university1652", protocol="satellite_to_street") == "street_to_satellite"


def test_what_decides_how_photos_are_laid_out_decides_the_stage_that_does_it() -> None:
    base = Experiment()
    usual = unsupervised(base)[1]
    for other in (
        replace(base, contrast=replace(base.contrast, heading="unknown")),
        replace(base, dataset=replace(base.dataset, camera="photo")),
        replace(base, dataset=replace(base.dataset, fov_deg=60.0)),
        replace(base, dataset=replace(base.dataset, tilt="none")),
    ):
        assert unsupervised(other)[1].settings != usual.settings and unsupervised(other)[1].name == "2_project"
    levelled = replace(base, dataset=replace(base.dataset, camera="photo"))
    assert unsupervised(replace(levelled, seed=1))[1].settings != unsupervised(levelled)[1].settings
    assert unsupervised(replace(base, seed=1))[1].settings == usual.settings, "panoramas need no network"
