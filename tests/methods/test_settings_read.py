"""No stage reads a setting that its plan does not name: a change of it would silently reuse a stale folder.

Every stage is run in this process with settings that note who reads them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SMALL, draw_places, list_and_project
from ucvgl.methods import plan
from ucvgl.run.prospects import Stage
from ucvgl.settings.dotted import dotted
from ucvgl.settings.experiment import (
    Adaptation,
    ColdStart,
    Contrast,
    Curriculum,
    Experiment,
    Supervision,
    Translation,
)
from ucvgl.stages.adapt import adapt
from ucvgl.stages.catalog import catalog
from ucvgl.stages.cold_start import cold_start
from ucvgl.stages.curriculum import curriculum
from ucvgl.stages.evaluate import evaluate
from ucvgl.stages.evaluate_adapter import evaluate_adapter
from ucvgl.stages.features import features
from ucvgl.stages.labels import labels
from ucvgl.stages.supervised import supervised

BRIEF = replace(
    SMALL,
    translation=Translation(fake=False),
    contrast=Contrast(batch=8),
    cold_start=ColdStart(intra_epochs=1, intra_steps=0, cross_epochs=1),
    curriculum=Curriculum(rounds=1, mutual=False, min_margin=0.0, final_margin=0.0, scan_turns=1),
    adaptation=Adaptation(rounds=1, steps_per_round=2, batch=8, first_threshold=0.0),
)
FROZEN = {"model.backbone", "model.checkpoint", "model.pretrained", "adaptation.source"}
"""What the plan calls `network`: a frozen model is kept under its name or, where it is a file, its content."""
DERIVED = {"curriculum.panoramas_later": {f"curriculum.{name}" for name in ("panoramas_after", "rounds", "with_fakes")}}
"""What the plan names instead of the settings that it is made of."""
REFUSED = {"supervision.start", "supervision.label_fraction"}
"""Settings with one value: a plan that does not name them refuses any other."""


def noted(tree: Any, heard: set[str], name: str = "") -> Any:
    """The same settings, which add the dotted name of every one that is read to `heard`."""
    kind = type(tree)
    names = {field.name for field in fields(kind)}

    class Noted(kind):
        def __getattribute__(self, wanted: str) -> Any:
            value = super().__getattribute__(wanted)
            copies = sys._getframe(1).f_globals["__name__"] == "dataclasses"  # to write them down, or to change some
            if wanted in names and not is_dataclass(value) and not copies:
                heard.add(f"{name}{wanted}")
            return value

    values = {one: getattr(tree, one) for one in names}
    inner = {one: noted(value, heard, f"{name}{one}.") for one, value in values.items() if is_dataclass(value)}
    made = Noted(**(values | inner))
    heard.clear()
    return made


def test_a_setting_that_is_read_is_noted_and_no_other() -> None:
    heard: set[str] = set()
    experiment = noted(BRIEF, heard)
    heard.clear()
    assert (experiment.seed, experiment.dataset.synthetic.level) == (0, "medium")
    assert heard == {"seed", "dataset.synthetic.level"} and isinstance(experiment, Experiment)


def named(stages: Sequence[Stage], stage: str) -> set[str]:
    """All settings of a stage and of what it is made from, directly or not."""
    by_name = {one.name: one for one in stages}
    found = set(dotted(by_name[stage].settings))
    return found.union(*(named(stages, name) for name in by_name[stage].inputs))


def unnamed(heard: set[str], stages: Sequence[Stage], stage: str) -> set[str]:
    known = named(stages, stage)
    known = known.union(*(DERIVED.get(name, ()) for name in known))
    known |= FROZEN if any(name.startswith("network.") for name in known) else set()
    return {name for name in heard - REFUSED - known if not name.startswith("resources.")}


Run = tuple[Experiment, set[str], dict[str, Path], dict[str, Any]]


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., Run]:
    def begin(**changed: Any) -> Run:
        draw_places(tmp_path / "home")
        experiment = replace(BRIEF, dataset=replace(BRIEF.dataset, root=str(tmp_path / "home")), **changed)
        made, heard = list_and_project(tmp_path / "run", experiment), set()
        for name in ("listed", "labels", "translated", "cold", "trained", "scored", "described"):
            made[name] = tmp_path / "run" / name
            made[name].mkdir()
        watched = noted(experiment, heard)
        return experiment, heard, made, {"experiment": watched, "machines": InProcess(lambda **row: None)}

    return begin


def log(**row: Any) -> None:
    pass


def test_the_stages_of_ucvgl(begun: Callable[..., Run]) -> None:
    experiment, heard, made, ends = begun()
    stages, projected = plan.unsupervised(experiment), made["projected"]
    catalog(made["listed"], experiment=ends["experiment"])
    assert unnamed(heard, stages, "1_catalog") == set()
    heard.clear()
    cold_start(made["cold"], projected=projected, translated=made["translated"], **ends)
    assert heard and unnamed(heard, stages, "4_cold_start") == set()
    heard.clear()
    inputs = {"projected": projected, "translated": made["translated"], "cold": made["cold"]}
    curriculum(made["trained"], **inputs, **ends, log=log)
    assert heard and unnamed(heard, stages, "5_curriculum") == set()
    heard.clear()
    evaluate(made["scored"], projected=projected, cold=made["cold"], trained=made["trained"], **ends)
    assert heard and unnamed(heard, stages, "6_evaluate") == set()


def test_the_stages_of_supervised_training(begun: Callable[..., Run]) -> None:
    experiment, heard, made, ends = begun(supervision=Supervision(label_fraction=1.0))
    stages = plan.supervised(experiment)
    assert {name for stage in stages for name in dotted(stage.settings)} >= REFUSED
    labels(made["labels"], catalogs=made["catalogs"], experiment=ends["experiment"])
    assert heard and unnamed(heard, stages, "2_labels") == set()
    heard.clear()
    cold_start(made["cold"], projected=made["projected"], translated=None, **ends)
    assert heard and unnamed(heard, stages, "4_cold_start") == set()
    heard.clear()
    inputs = {name: made[name] for name in ("catalogs", "labels", "projected", "cold")}
    supervised(made["trained"], **inputs, **ends, log=log)
    assert heard and unnamed(heard, stages, "5_supervised") == set()


def test_the_stages_of_em_cvgl(begun: Callable[..., Run]) -> None:
    experiment, heard, made, ends = begun(model=replace(BRIEF.model, backbone="test_convnext"))
    stages, projected = plan.adapt(experiment), made["projected"]
    features(made["described"], projected=projected, **ends)
    assert heard and unnamed(heard, stages, "3_features") == set()
    heard.clear()
    adapt(made["trained"], projected=projected, described=made["described"], **ends, log=log)
    assert heard and unnamed(heard, stages, "4_adapt") == set()
    heard.clear()
    inputs = {"projected": projected, "described": made["described"], "trained": made["trained"]}
    evaluate_adapter(made["scored"], **inputs, **ends)
    assert unnamed(heard, stages, "5_evaluate") == set()
