"""What will happen is known before anything does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ucvgl.run.prospects import Stage
from ucvgl.run.run_dir import RunDir, StageError
from ucvgl.settings.experiment import Experiment

PLAN = [
    Stage("1_a", {"x": 1}),
    Stage("2_b", {}, ["1_a"]),
    Stage("3_c", {}, ["2_b"]),
    Stage("4_d", {}, ["1_a"]),
]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    with RunDir(tmp_path, Experiment()) as run:
        yield run


def make(run: RunDir, stage: Stage) -> None:
    run.make(stage.name, lambda folder: None, settings=stage.settings, inputs=stage.inputs)


def states(run: RunDir, plan: list[Stage], redo: tuple[str, ...] = ()) -> list[str]:
    return [prospect.state for prospect in run.status(plan, redo=redo)]


def test_a_fresh_run_will_run_everything(run: RunDir) -> None:
    assert states(run, PLAN) == ["run"] * 4


def test_done_stages_will_be_reused_and_broken_ones_resumed(run: RunDir) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError

    make(run, PLAN[0])
    with pytest.raises(StageError):
        run.make("2_b", fail, settings={}, inputs=["1_a"])
    assert states(run, PLAN) == ["reused", "resumed", "run", "run"]


def test_redo_will_run_a_stage_and_all_that_is_made_from_it(run: RunDir) -> None:
    for stage in PLAN:
        make(run, stage)
    assert states(run, PLAN) == ["reused"] * 4
    assert states(run, PLAN, redo=("2_b",)) == ["reused", "run", "run", "reused"]
    assert states(run, PLAN) == ["reused"] * 4, "asking must not change anything"


def test_a_changed_setting_refuses_its_stage_and_all_that_is_made_from_it(run: RunDir) -> None:
    for stage in PLAN:
        make(run, stage)
    changed = [Stage("1_a", {"x": 2}), *PLAN[1:]]
    assert states(run, changed) == ["refused"] * 4
    reasons = [prospect.reason for prospect in run.status(changed)]
    assert "1_a was made with other settings (x: 1 -> 2)" in reasons[0]
    assert "2_b was made from another 1_a" in reasons[1]
    assert states(run, changed, redo=("1_a",)) == ["run"] * 4


def test_a_relative_root_is_the_same_from_the_root_on(run: RunDir) -> None:
    home = str(run.path / "data")
    stage = Stage("1_catalog", {"dataset": {"root": "data"}})
    run.make(stage.name, lambda folder: {"root": home}, settings=stage.settings)
    assert states(run, [Stage("1_catalog", {"dataset": {"root": home}})]) == ["reused"]
    assert states(run, [Stage("1_catalog", {"dataset": {"root": home + "2"}})]) == ["refused"]


def test_a_relative_root_that_means_other_images_here_is_refused(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a/photos", "b/photos"):
        (tmp_path / folder).mkdir(parents=True)
    stage = Stage("1_catalog", {"dataset": {"name": "folder", "root": "photos"}})
    run.make(stage.name, lambda folder: {"root": str(tmp_path / "a/photos")}, settings=stage.settings)
    for folder, state in ((tmp_path, "reused"), (tmp_path / "a", "reused"), (tmp_path / "b", "refused")):
        monkeypatch.chdir(folder)
        assert states(run, [stage]) == [state]
    (prospect,) = run.status([stage])
    assert f"(dataset.root: {tmp_path}/a/photos -> {tmp_path}/b/photos)" in prospect.reason


def test_weights_that_an_earlier_version_named_relatively_are_the_same_from_there(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(run, Stage("4_cold_start", {"model": {"checkpoint": "w.pt"}, "supervision": {"start": ""}}))
    now = Stage("4_cold_start", {"model": {"checkpoint": str(tmp_path / "w.pt")}, "supervision": {"start": ""}})
    assert states(run, [now]) == ["reused"]
    monkeypatch.chdir("/")
    assert states(run, [now]) == ["refused"]


def test_a_stage_of_an_earlier_version_is_reused_where_its_setting_had_the_value_that_all_have_now(run: RunDir) -> None:
    before = {"translation": {"steps": 5, "cycle_weight": 10.0}}
    make(run, Stage("1_a", before))
    now = Stage("1_a", {"translation": {"steps": 5}})
    assert states(run, [now]) == ["reused"]
    run.make("2_b", lambda folder: None, settings={"translation": {"steps": 5, "cycle_weight": 7.0}})
    (prospect,) = run.status([Stage("2_b", now.settings)])
    assert "2_b was made with other settings (translation.cycle_weight: 7.0 -> None); start a new" in prospect.reason
