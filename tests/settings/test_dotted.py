"""Settings go to YAML and back unchanged, and what is wrong with them is said in plain words."""

from __future__ import annotations

import string
import time
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ucvgl.atomic import write_whole
from ucvgl.files.printable import printable
from ucvgl.files.seal import sealed_lines
from ucvgl.settings.dotted import (
    Mistakes,
    differences,
    dotted,
    from_yaml,
    saved_settings,
    setting_types,
    to_yaml,
    with_changes,
)
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.settings.retired import RETIRED


def values(type_: Any) -> st.SearchStrategy:
    if get_origin(type_) is Literal:
        return st.sampled_from(get_args(type_))
    texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]))
    texts = texts.filter(lambda text: printable(text) == text)
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return {int: st.integers(), float: numbers, bool: st.booleans(), str: texts}[type_]


changed = {name: values(type_) for name, type_ in setting_types().items()}
experiments = st.fixed_dictionaries({}, optional=changed).map(
    lambda changes: with_changes(Experiment(), changes)[0]
)


@settings(max_examples=30)
@given(experiments)
def test_any_experiment_comes_back_from_yaml_as_it_went(experiment: Experiment) -> None:
    assert from_yaml(to_yaml(experiment)) == experiment


@settings(max_examples=30)
@given(experiments, experiments)
def test_the_differences_turn_one_experiment_into_the_other(before: Experiment, after: Experiment) -> None:
    changes = {name: now for name, _, now in differences(before, after)}
    assert with_changes(before, changes) == (after, [])


def test_yaml_names_only_what_it_changes_nested_or_dotted() -> None:
    expected = replace(Experiment(), curriculum=Curriculum(min_margin=0.03, rounds=5), seed=7)
    assert from_yaml("curriculum: {min_margin: 0.03, rounds: 5}\nseed: 7") == expected
    assert from_yaml("curriculum.min_margin: 0.03\ncurriculum.rounds: 5\nseed: 7") == expected
    assert from_yaml("") == Experiment()


def test_a_number_in_exponent_notation_is_a_number_though_yaml_reads_a_text() -> None:
    assert yaml.safe_load("1e-3") == "1e-3"
    assert from_yaml("contrast: {learning_rate: 1e-3}").contrast.learning_rate == 0.001


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = """
    curriculum: {min_margn: 0.03, rounds: 3.5, mutual: maybe}
    min_margin: 0.03
    modle: {backbone: strided}
    contrst: {batch: 8}
    model: 3
    cold_start: [1]
    projection: {fov_deg: wide, xyzzy: 1}
    seed: true
    dataset: {synthetic: {level: eazy}}
    """
    with pytest.raises(Mistakes) as caught:
        from_yaml(text)
    assert str(caught.value).splitlines() == [
        "12 mistakes in the settings:",
        "  curriculum.min_margn: no such setting; did you mean curriculum.min_margin?",
        "  curriculum.rounds: 3.5 is not a whole number",
        "  curriculum.mutual: 'maybe' is not true or false",
        "  min_margin: no such setting; did you mean curriculum.min_margin?",
        "  modle.backbone: no such setting; did you mean model.backbone?",
        "  contrst.batch: no such setting; did you mean contrast.batch?",
        "  model: 3 given to a group of settings; name one of them, as model.backbone",
        "  cold_start: [1] given to a group of settings; name one of them, as cold_start.intra_epochs",
        "  projection.fov_deg: 'wide' is not a number",
        "  projection.xyzzy: no such setting",
        "  seed: True is not a whole number",
        "  dataset.synthetic.level: 'eazy' is not one of easy, medium, hard; did you mean easy?",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "mine.yaml is not YAML: "),
        ("- 1", "mine.yaml holds no settings; write them as `curriculum: {min_margin: 0.03}`"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(text: str, line: str) -> None:
    with pytest.raises(Mistakes) as caught:
        from_yaml(text, origin="mine.yaml")
    assert caught.value.lines[0].startswith(line)


def test_a_setting_that_is_written_dotted_and_nested_is_written_twice() -> None:
    for text in ("curriculum.rounds: 2\ncurriculum: {rounds: 3}", "curriculum: {rounds: 3}\ncurriculum.rounds: 3"):
        with pytest.raises(Mistakes, match="mine.yaml writes a setting twice, as"):
            from_yaml(text, origin="mine.yaml")


def test_a_file_of_more_settings_than_there_are_is_not_compared_with_all_that_there_are() -> None:
    begun = time.monotonic()
    with pytest.raises(Mistakes, match="mine.yaml holds 5,000 settings, and there are"):
        from_yaml("".join(f"k{number}: 1\n" for number in range(5000)), origin="mine.yaml")
    assert time.monotonic() - begun < 30, "reading YAML takes most of it"


def test_dotted_names_follow_the_dataclasses_and_stop_at_leaves() -> None:
    names = list(dotted(Experiment()))
    assert names == list(setting_types())
    assert "dataset.synthetic.level" in names and "dataset.synthetic" not in names
    assert dotted({"a": {"b": (1, 2)}, "c": 3}) == {"a.b": [1, 2], "c": 3}


def test_a_setting_that_one_side_lacks_differs_from_none() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 2, "c": 3}) == [("a", 1, None), ("c", None, 3)]


def test_every_setting_name_can_be_typed_as_a_flag() -> None:
    allowed = set(string.ascii_lowercase + string.digits + "_.")
    assert all(set(name) <= allowed for name in setting_types())


def test_a_run_that_was_made_with_settings_of_an_earlier_version_is_read_without_them(tmp_path):
    file = tmp_path / "config.yaml"
    written = {"seed": 7, "resources": {"train_gpus": 0.6}, "adaptation": {"gem_power": 2}}
    write_whole(file, sealed_lines(yaml.safe_dump(written)))
    assert saved_settings(file) == Experiment(seed=7)
    write_whole(file, sealed_lines(yaml.safe_dump({"resources": {"train_gpu": 1}})))
    with pytest.raises(ValueError, match="config.yaml was written by another version .*train_gpu: no such setting"):
        saved_settings(file)


def test_what_is_retired_is_no_setting_any_more():
    assert not RETIRED.keys() & setting_types().keys()


def test_a_retired_setting_is_taken_with_the_value_that_it_has_for_good_and_told_with_any_other():
    as_ever = {"translation.cycle_weight": 10, "evaluation.rounds": "auto"}
    assert with_changes(Experiment(), as_ever) == (Experiment(), [])
    changes = {"translation.cycle_weight": 7.0, "contrast.flip": False, "adaptation.gem_power": 2.0}
    way_out = "; leave it out, or use the version of ucvgl that had it"
    told = [
        f"translation.cycle_weight: 7.0, but it is 10.0 for good, and no setting any more{way_out}",
        f"contrast.flip: False, but it is True for good, and no setting any more{way_out}",
        f"adaptation.gem_power: 2.0, but it means nothing any more{way_out}",
    ]
    assert with_changes(Experiment(), changes) == (Experiment(), told)


def test_settings_of_a_run_of_another_version_are_told_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("seed: 7\nfuture:\n  thing: 3\n")
    with pytest.raises(ValueError, match=f"{file} was written by another version of ucvgl.*future.thing: no such"):
        saved_settings(file)


@pytest.mark.parametrize("text", ["a\nucvgl: all is well", "a\x1b[2J", "a\x9b2J", "a\u202eb"])
def test_values_and_names_of_a_strangers_settings_change_no_terminal(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for tree in ({"dataset": {"root": text}}, {"model": {text: 1}}, {text: {"a": 1}}, {text: 1}, {"seed": text}):
        write_whole(file, sealed_lines(yaml.safe_dump(tree)))
        with pytest.raises(ValueError, match="by another version of ucvgl, or by hand") as caught:
            saved_settings(file)
        assert str(caught.value).isprintable()
