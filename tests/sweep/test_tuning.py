import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ucvgl.pages.sweep_page import Row
from ucvgl.run.lock import locked
from ucvgl.settings.dotted import from_yaml
from ucvgl.sweep import tuning

SPACE = "settings:\n  curriculum.min_margin: {grid: [0.02, 0.05, 0.12]}\n"


def row(number: int, judged: float, r1: float | None = None, *, finished: bool = True) -> Row:
    return Row(number, {}, judged, 3, finished, "", r1)


def test_the_best_trial_is_judged_best_among_those_that_finished() -> None:
    rows = [row(0, 0.5, 0.9), row(1, 0.8, 0.2), row(2, 0.8, 0.3), row(3, 0.9, finished=False), row(4, math.nan, 0.1)]
    assert tuning.best_of(rows, "judged") == 1
    assert tuning.best_of(rows, "recall") == 0
    assert tuning.best_of([row(0, math.nan)], "judged") is None
    assert tuning.best_of([row(0, 0.5, None)], "recall") is None


def sweep(tmp_path: Path, *flags: str, judged=(0.3, 0.6, 0.4), space: str = SPACE) -> tuple[int, list]:
    """A sweep whose trials only say how they are judged; its exit code, and the trials."""
    path, seen = tmp_path / "space.yaml", []
    path.write_text(space)

    def run_trials(trials, folder, work, prepare, space):
        for value in judged:
            if isinstance(value, BaseException):
                raise value
        seen.extend(trials)
        return [
            SimpleNamespace(judged=value, rounds=3, finished=True, error="")
            for _, value in zip(trials, judged, strict=True)
        ]

    code = tuning.main(
        [str(path), "tiny", "--run", str(tmp_path / "sweep"), *flags],
        lambda run, experiment: "",
        run_trials=run_trials,
        connect=lambda resources: None,
    )
    return code, seen


def test_a_sweep_leaves_a_page_a_table_and_a_setting_to_go_on_with(tmp_path: Path, capsys) -> None:
    code, trials = sweep(tmp_path)
    assert code == 0
    assert [trial.changes["curriculum.min_margin"] for trial in trials] == [0.02, 0.05, 0.12]
    best = from_yaml((tmp_path / "sweep" / "best.yaml").read_text())
    assert best == trials[1].experiment
    results = json.loads((tmp_path / "sweep" / "results.json").read_text())
    assert [row["judged"] for row in results] == [0.3, 0.6, 0.4]
    printed = capsys.readouterr().out
    assert "best by judged: trial 001; python jobs/unsupervised.py --config" in printed
    page = (tmp_path / "sweep" / "sweep.html").read_text()
    assert "Trial 001 is the best of 3 by judged" in page
    assert "reads the truth" not in page


def test_the_same_sweep_goes_on_and_another_one_is_refused_in_its_folder(tmp_path: Path, capsys) -> None:
    assert sweep(tmp_path)[0] == 0
    assert sweep(tmp_path)[0] == 0
    code, trials = sweep(tmp_path, space=SPACE.replace("0.12", "0.2"))
    assert (code, trials) == (2, [])
    told = capsys.readouterr().err
    assert "holds another sweep" in told and "name another folder with --run" in told
    assert sweep(tmp_path, "--seed", "4")[0] == 2
    assert sweep(tmp_path, "--resources.workers", "2")[0] == 0, "resources change no result"
    file = tmp_path / "sweep" / "sweep.yaml"
    assert yaml.safe_load(file.read_text())["base"]["resources"] is None
    for damage, words in (("[", "sweep.yaml is not YAML"), ("- 1", "holds another sweep"), ("a: &a [*a]", "not YAML")):
        file.write_text(damage)
        assert sweep(tmp_path)[0] == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--run=r", "ray://k:s3cr3t@b/x"], "ray://***@b/x: a URI with credentials would be written"),
        (["--run", "s3://bucket"], "--run s3://bucket: name a folder below the bucket"),
        (["--select-by"], "--select-by : write judged, or recall to choose by the truth"),
        (["--redo", "translate"], "--redo is of a single run"),
        (["--stop-after=2_project"], "--stop-after is of a single run"),
        (["--model.checkpoint", "/no/such.pt"], "model.checkpoint: /no/such.pt is no file"),
        (["--dataset.name", "folder", "--dataset.root", "/no/such"], "dataset.root: /no/such is no folder"),
        (["--dataset.tile-size", "32000"], "contrast.batch: the pixels of a batch take at least"),
        (["--select-by", "luck"], "--select-by luck: write judged, or recall to choose by the truth"),
        (["--curriculum.rounds", "many"], "curriculum.rounds: 'many' is not a whole number"),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path: Path, capsys, flags, message) -> None:
    code, trials = sweep(tmp_path, *flags)
    assert (code, trials) == (2, [])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_weights_that_one_trial_lacks_are_told_before_the_others_begin(tmp_path: Path, capsys) -> None:
    space = "settings:\n  model.checkpoint: {choice: ['', /no/such.pt]}\ntrials: 8\n"
    assert sweep(tmp_path, space=space) == (2, [])
    assert capsys.readouterr().err.count("/no/such.pt is no file") == 1
    assert not (tmp_path / "sweep").exists()


def test_a_dry_run_of_a_sweep_starts_nothing_and_leaves_nothing(tmp_path: Path, capsys) -> None:
    assert sweep(tmp_path, "--dry-run") == (0, [])
    told = capsys.readouterr()
    assert "dry run: nothing was done" in told.out and "3 trials over curriculum.min_margin" in told.err
    assert "in common: 1_catalog, 2_project, 3_translate, 4_cold_start" in told.err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_an_interrupted_sweep_says_how_to_go_on(tmp_path: Path, capsys, stop, code) -> None:
    assert sweep(tmp_path, judged=(0.3, stop, 0.4)) == (code, [])
    assert "interrupted. The same command goes on" in capsys.readouterr().err
    assert sweep(tmp_path)[0] == 0, "it is not locked"


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("sweep.yaml", os.mkfifo, "is a pipe, a socket or a device"),
        ("trials/000/failure.txt", os.mkfifo, "is a pipe, a socket or a device"),
        ("trials/000", lambda path: path.symlink_to("/"), "is a link to /, which would be overwritten"),
        ("ray_tune/tuner.pkl", lambda path: path.symlink_to("/etc/passwd"), "is a link to /etc/passwd"),
        ("best.yaml", lambda path: path.symlink_to("/etc/passwd"), "is a link to /etc/passwd"),
    ],
)
def test_a_pipe_or_a_link_in_a_sweep_is_refused_before_it_is_opened(tmp_path, capsys, name, make, words) -> None:
    assert sweep(tmp_path)[0] == 0
    path = tmp_path / "sweep" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)
    assert sweep(tmp_path) == (2, [])
    assert f"{path} {words}" in capsys.readouterr().err


def test_two_sweeps_in_one_folder_are_one_too_many(tmp_path: Path, capsys) -> None:
    assert sweep(tmp_path)[0] == 0
    lock = locked(tmp_path / "sweep")
    assert sweep(tmp_path) == (2, [])
    assert "is at work in" in capsys.readouterr().err
    lock.release()


def test_a_sweep_without_any_finished_trial_says_so(tmp_path: Path, capsys) -> None:
    assert sweep(tmp_path, judged=(math.nan,) * 3)[0] == 1
    assert "no trial came to its end" in capsys.readouterr().out
    assert not (tmp_path / "sweep" / "best.yaml").exists()
