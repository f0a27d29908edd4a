"""A sweep in an S3 server: every trial on another machine than the last, which have nothing else in common."""

from __future__ import annotations

import itertools
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ucvgl.distributed import trials
from ucvgl.files import cached, room
from ucvgl.files.arrivals import ARRIVALS, Arrivals
from ucvgl.images.storage import list_files, read, write
from ucvgl.methods import plan
from ucvgl.run import mirror
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import tiny
from ucvgl.sweep import tuning
from ucvgl.sweep.home import Home
from ucvgl.sweep.outcome import outcome_of
from ucvgl.sweep.share import share_in_store

SPACE = "settings:\n  curriculum.min_margin: {grid: [0.02, 0.05, 0.12]}\n"
FLAGS = ("tiny", "--curriculum.rounds=3")
IMAGES = bytes(10_000)


class Lost(BaseException):
    """A machine is gone: nothing that its processes would do at their end is done."""


class Machines:
    """A driver, and machines that run a trial each by turns; each sees its own cache alone."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base, self.made = base, Counter[str]()
        self._set, self._driver = monkeypatch.setenv, "driver"
        self.heard: list[tuple[int, float]] = []
        self.lose: Callable[[RunDir, int], bool] = lambda run, step: False
        self.lost = False
        monkeypatch.setattr(trials, "start_logging", lambda: None)
        monkeypatch.setattr(trials.tune, "report", lambda told: self.heard.append((told["round"], told["judged"])))
        self.on("driver")

    def on(self, name: str) -> Path:
        """From now on everything happens there."""
        for known in (room._known, room._looked, room._trees, cached._trees):
            known.clear()
        self._set("UCVGL_CACHE", str(self.base / name))
        return self.base / name

    def sweep(self, where: str, *, driver: str = "driver", space: str = SPACE) -> int:
        """Run the command on a machine; its exit code."""
        (self.base / "space.yaml").write_text(space)
        self.on(driver)
        self._driver = driver
        words = [str(self.base / "space.yaml"), *FLAGS, "--run", where]
        return tuning.main(words, self.work, run_trials=self.run_trials, connect=lambda resources: None)

    def run_trials(self, drawn, sweep: Home, work, prepare, space) -> list:
        for trial, name in zip(drawn, itertools.cycle(("one", "two"))):  # noqa: B905 - the machines by turns
            if not outcome_of(sweep, trial).finished:
                self.on(name)
                trials.run_trial(
                    {"number": trial.number}, trials=drawn, sweep=sweep, work=work, prepare=prepare
                )  # fmt: skip
                self.on(self._driver)
        return [outcome_of(sweep, trial) for trial in drawn]

    def work(self, run: RunDir, experiment: Experiment) -> str:
        """A method without learning: the judgement peaks at a margin of 0.05 and grows with the rounds."""
        final = 0.9 - abs(experiment.curriculum.min_margin - 0.05)

        def build(name: str) -> Callable[[Path], dict[str, float] | None]:
            def make(folder: Path) -> dict[str, float] | None:
                self.made[f"{run.path.name}/{name}"] += not (folder / "half").exists()
                if name == "2_project":
                    (folder / "images.arrow").write_bytes(IMAGES)
                if name == "4_cold_start":
                    assert cached.here(run.path / "2_project" / "images.arrow").read_bytes() == IMAGES
                if name == "5_curriculum":
                    first = int((folder / "half").read_text()) if (folder / "half").exists() else 0
                    assert cached.here(run.path / "2_project" / "images.arrow").read_bytes() == IMAGES
                    for step in range(first + 1, experiment.curriculum.rounds + 1):
                        (folder / "half").write_text(str(step))
                        run.log(stage="curriculum", step=step, judged=final * step / 4)
                        self.lost = self.lose(run, step)
                        if self.lost:
                            raise Lost
                (folder / "artefact").write_text(name)
                return {"judged": final} if name == "6_evaluate" else None

            return make

        for stage in plan.unsupervised(experiment):
            run.make(stage.name, build(stage.name), settings=stage.settings, inputs=stage.inputs)
        return ""


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.delenv("UCVGL_RUNS", raising=False)
    monkeypatch.setattr(mirror, "EVERY_S", 1e9)
    level = logging.getLogger().level
    yield Machines(tmp_path, monkeypatch)
    logging.getLogger().setLevel(level)
    cached._trees.clear()


def test_a_sweep_in_a_bucket_ends_as_one_in_a_folder(machines: Machines, bucket: str, tmp_path: Path, capsys) -> None:
    uri, plain = f"s3://{bucket}/sweeps/mine", tmp_path / "plain" / "mine"
    assert machines.sweep(str(plain)) == 0
    before, heard = machines.made.copy(), machines.heard.copy()
    assert not [*tmp_path.rglob(ARRIVALS)], "a sweep in a folder has to do with the cache"
    machines.made.clear()
    machines.heard.clear()
    assert machines.sweep(uri) == 0
    assert machines.made == before and machines.heard == heard
    assert before["shared/2_project"] == 1 and "000/2_project" not in before
    for name in ("sweep.yaml", "results.json", "best.yaml", "sweep.html"):
        assert read(f"{uri}/{name}") == (plain / name).read_bytes(), name
    there = list_files(uri)
    stages = {name for name in there if name.startswith("trials/001/") and name.endswith("DONE.json")}
    assert len(stages) == len(plan.unsupervised(Experiment())), "every trial is a whole run"
    for one in ("one", "two"):
        came = {
            file.parent.name: [arrival.fetched for place, arrival in Arrivals(file.parent).all().items()
                               if place.endswith(".arrow")]
            for file in sorted((tmp_path / one).rglob(ARRIVALS))
        }  # fmt: skip
        assert came == ({"000": [True], "002": [False]} if one == "one" else {"001": [True]}), "once per machine"
    assert machines.sweep(uri, driver="another") == 0, "it can be asked again from anywhere"
    assert machines.made == before, "something was made again"
    assert f"copied to {uri}" in capsys.readouterr().out


def test_the_same_command_goes_on_from_another_machine_when_all_are_lost(
    machines: Machines, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, plain = f"s3://{bucket}/sweeps/mine", tmp_path / "plain" / "mine"
    assert machines.sweep(str(plain)) == 0
    made = machines.made.copy()
    machines.made.clear()
    machines.heard.clear()
    machines.lose, push = (lambda run, step: run.path.name == "001" and step == 2), mirror.Mirror.push
    with monkeypatch.context() as patch:
        patch.setattr(mirror.Mirror, "push", lambda self: None if machines.lost else push(self))
        with pytest.raises(Lost):
            machines.sweep(uri)
    for name in ("driver", "one", "two"):
        shutil.rmtree(tmp_path / name)
    machines.lose = lambda run, step: False
    assert machines.heard == [(1, 0.2175), (2, 0.435), (3, 0.6525), (1, 0.225), (2, 0.45)]
    assert machines.sweep(uri, driver="another") == 0
    assert machines.made == made, "finished work was done again"
    assert machines.heard[5:8] == [(1, 0.225), (2, 0.45), (3, 0.675)], "a scheduler hears all rounds again"
    for name in ("results.json", "best.yaml"):
        assert read(f"{uri}/{name}") == (plain / name).read_bytes(), name


def test_another_sweep_and_files_of_somebody_else_are_refused(machines: Machines, bucket: str, capsys) -> None:
    uri = f"s3://{bucket}/sweeps/mine"
    assert machines.sweep(uri) == 0
    before = {name: read(f"{uri}/{name}") for name in list_files(uri)}
    assert machines.sweep(uri, driver="another", space=SPACE.replace("0.12", "0.2")) == 2
    told = capsys.readouterr().err
    assert f"{uri} holds another sweep" in told and "name another folder with --run" in told
    assert {name: read(f"{uri}/{name}") for name in list_files(uri)} == before
    for name in ("theirs/below/notes.txt", "theirs/notes.txt"):
        write(f"s3://{bucket}/{name}", b"of somebody else")
        assert machines.sweep(f"s3://{bucket}/theirs") == 2
        assert "theirs is not empty (" in (told := capsys.readouterr().err) and "is not a sweep" in told
    assert sorted(list_files(f"s3://{bucket}/theirs")) == ["below/notes.txt", "notes.txt"]


def test_a_newer_process_takes_a_sweep_over(machines: Machines, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, lost = f"s3://{bucket}/sweeps/mine", []
    monkeypatch.setattr(mirror, "terminate_this_process", lambda: lost.append("older"))
    monkeypatch.setattr(mirror, "EVERY_S", 0.05)

    def run_trials(drawn, sweep: Home, work, prepare, space) -> list:
        write(f"{sweep.shared.store}/.owner", b"newer")
        end = time.monotonic() + 60
        while not lost and time.monotonic() < end:
            time.sleep(0.01)
        raise KeyboardInterrupt

    words = [str(machines.base / "space.yaml"), *FLAGS, "--run", uri]
    (machines.base / "space.yaml").write_text(SPACE)
    assert tuning.main(words, machines.work, run_trials=run_trials, connect=lambda resources: None) == 130
    assert lost and read(f"{uri}/shared/.owner") == b"newer"


def test_a_stage_that_a_trial_has_begun_is_left_to_it_and_so_is_what_follows(machines: Machines, bucket: str) -> None:
    uri, other = f"s3://{bucket}/sweeps/mine", f"s3://{bucket}/run"
    assert machines.sweep(uri) == 0
    write(f"{other}/2_project/BEGUN.json", read(f"{uri}/shared/2_project/DONE.json"))
    assert share_in_store(f"{uri}/shared", other, plan.unsupervised(tiny())) == ["1_catalog"]
    assert sorted(list_files(other)) == [".owner", *(f"1_catalog/{name}" for name in ("DONE.json", "artefact")),
                                         "2_project/BEGUN.json"]  # fmt: skip
