"""Every preset can be run as it is."""

from __future__ import annotations

import pytest

from ucvgl.commands.invocation import resolve
from ucvgl.methods.plan import semi_supervised as with_some_labels
from ucvgl.methods.plan import supervised as with_labels
from ucvgl.methods.plan import unsupervised
from ucvgl.settings.dotted import from_yaml, to_yaml
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import check
from ucvgl.settings.presets import PRESETS, semi_supervised, supervised

presets = pytest.mark.parametrize("name", PRESETS)


@presets
def test_a_preset_has_no_mistake_and_survives_its_yaml(name: str) -> None:
    experiment = PRESETS[name]()
    assert check(experiment) == []
    assert from_yaml(to_yaml(experiment)) == experiment


@presets
def test_a_presets_docstring_gives_a_command_that_runs_it(name: str) -> None:
    _, found, rest = (PRESETS[name].__doc__ or "").partition("`python jobs/unsupervised.py")
    assert found, f"{name} says no command"
    stages = [stage.name for stage in unsupervised(Experiment())]
    assert resolve(rest.partition("`")[0].split(), stages=stages).preset == name


@presets
def test_the_help_names_every_preset(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        resolve(["--help"])
    assert name in capsys.readouterr().out.partition("options")[0]


@presets
def test_every_preset_can_be_trained_with_labels(name: str) -> None:
    for recipe, plan in ((semi_supervised, with_some_labels), (supervised, with_labels)):
        experiment = recipe(PRESETS[name]())
        assert check(experiment) == []
        assert plan(experiment)[1].name == "2_labels"
    model = supervised(PRESETS[name]()).model
    assert (model.shared, model.aggregation == "mean") == (model.pretrained,) * 2, "one encoder needs pretraining"
