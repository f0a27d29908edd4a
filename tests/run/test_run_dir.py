"""A run reuses what is done, refuses what is stale, resumes what is broken, and publishes by rename."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from ucvgl.atomic import write_array
from ucvgl.files.tables import write_table
from ucvgl.images.image_store import write_shard
from ucvgl.networks.saved import save
from ucvgl.run.record import DONE, read_record, write_record
from ucvgl.run.run_dir import RunDir, StageError, StopRequested, cause
from ucvgl.settings.dotted import saved_settings
from ucvgl.settings.experiment import Experiment


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    with RunDir(tmp_path / "run", Experiment()) as run:
        yield run


class Build:
    """Writes a file and counts how often it is called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> dict[str, int]:
        self.calls += 1
        (folder / "result").write_text(str(self.calls))
        return {"rows": 3}


def failing(folder: Path) -> None:
    (folder / "half.json").write_text("kept")
    raise RuntimeError("the disk is full.")


def make_chain(run: RunDir, build: Build) -> None:
    """1 -> 2 -> 3, and 4 from 1 alone."""
    run.make("1_a", build, settings={"x": 1})
    run.make("2_b", build, settings={"y": 1}, inputs=["1_a"])
    run.make("3_c", build, settings={}, inputs=["2_b"])
    run.make("4_d", build, settings={}, inputs=["1_a"])


def test_a_done_stage_with_the_same_settings_is_reused(run: RunDir) -> None:
    build = Build()
    first = run.make("1_a", build, settings={"a": {"b": 0.5}, "c": (1, 2)})
    again = run.make("1_a", build, settings={"a.b": 0.5, "c": [1, 2]})
    assert first == again == run.path / "1_a"
    assert build.calls == 1


def test_a_stage_writes_down_how_it_was_made(run: RunDir) -> None:
    make_chain(run, Build())
    record = json.loads((run.path / "2_b" / "DONE.json").read_text())
    assert set(record) == {"settings", "inputs", "summary", "seconds", "ucvgl", "parts", "seal"}
    assert record["parts"] == {"result": {"bytes": 1, "sha256": hashlib.sha256(b"2").hexdigest()}}
    assert record["settings"] == {"y": 1} and record["summary"] == {"rows": 3}
    assert list(record["inputs"]) == ["1_a"]
    assert sorted(file.name for file in (run.path / "2_b").iterdir()) == ["DONE.json", "result"]


def test_other_settings_are_refused_with_their_names_and_both_ways_out(run: RunDir) -> None:
    build = Build()
    run.make("4_match", build, settings={"min_margin": 0.05, "mutual": True, "rounds": 8})
    with pytest.raises(ValueError) as caught:
        run.make("4_match", build, settings={"min_margin": 0.1, "mutual": True, "rounds": 9})
    assert str(caught.value) == (
        f"{run.path}/4_match was made with other settings (min_margin: 0.05 -> 0.1, rounds: 8 -> 9); "
        "start a new run with --run NAME, or remake it with --redo 4_match"
    )
    assert build.calls == 1


def test_a_broken_stage_is_resumed_in_the_same_folder(run: RunDir) -> None:
    with pytest.raises(StageError):
        run.make("1_a", failing, settings={"x": 1})
    assert not (run.path / "1_a").exists()
    seen = []
    run.make("1_a", lambda folder: seen.append((folder / "half.json").read_text()), settings={"x": 1})
    assert seen == ["kept"]
    assert (run.path / "1_a" / "half.json").exists() and not (run.path / "1_a.partial").exists()


def test_a_broken_stage_is_not_resumed_with_other_settings(run: RunDir) -> None:
    with pytest.raises(StageError):
        run.make("1_a", failing, settings={"x": 1})
    with pytest.raises(ValueError, match=r"1_a.partial was begun with other settings \(x: 1 -> 2\); start"):
        run.make("1_a", Build(), settings={"x": 2})


def test_a_failure_names_the_stage_the_cause_and_the_way_out(run: RunDir) -> None:
    with pytest.raises(StageError) as caught:
        run.make("3_translate", failing, settings={})
    assert str(caught.value) == (
        "stage 3_translate failed: the disk is full. The same command resumes it; "
        f"finished work is kept in {run.path}"
    )
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert run.stage == "3_translate"


def test_the_cause_of_a_remote_error_is_its_last_line() -> None:
    remote = "ray::embed() (pid=1)\n  File 'x.py', line 3\nValueError: images differ in size\n"
    assert cause(RuntimeError(remote)) == "ValueError: images differ in size"
    assert cause(KeyError()) == "KeyError"


def test_out_of_memory_is_told_in_a_sentence_and_not_by_rays_advice() -> None:
    """The words are those of Ray 2.60."""
    remote = (
        "7 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.1, ID: 1a2b) "
        "was 22.45GB used / 23.54GB limit (0.953826)\nOOM kill reason: Memory usage 24030789632B exceeded threshold\n"
        "Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/. Consider "
        "provisioning more memory on this node."
    )
    assert cause(RuntimeError(f"the training workers died: {remote}")) == (
        "the machine ran out of memory (22.45GB of 23.54GB used), and Ray ended processes of this job; run less beside "
        "it, or lower resources.image_cpus, resources.search_rows or resources.train_rows"
    )


def test_a_stage_made_from_an_older_input_is_refused(run: RunDir) -> None:
    make_chain(run, Build())
    record = read_record(run.path / "1_a" / "DONE.json")
    assert record is not None
    write_record(run.path / "1_a" / "DONE.json", replace(record, seconds=99.0))
    with pytest.raises(
        ValueError, match="2_b was made from another 1_a; start a new run with --run NAME, or"
    ):
        run.make("2_b", Build(), settings={"y": 1}, inputs=["1_a"])


def test_a_stage_whose_input_is_missing_is_not_begun(run: RunDir) -> None:
    with pytest.raises(ValueError, match="2_b is made from 1_a, not made yet"):
        run.make("2_b", Build(), settings={}, inputs=["1_a"])


def test_redo_drops_a_stage_and_all_that_was_made_from_it_and_nothing_else(run: RunDir) -> None:
    build = Build()
    make_chain(run, build)
    with pytest.raises(StageError):
        run.make("5_e", failing, settings={}, inputs=["3_c"])
    assert run.redo("2_b") == ["5_e", "3_c", "2_b"]
    assert sorted(entry.name for entry in run.path.iterdir() if entry.is_dir()) == ["1_a", "4_d"]
    make_chain(run, build)
    assert build.calls == 6
    assert run.redo("9_never") == []


@pytest.mark.parametrize(("damaged", "asked"), [("1_a", "2_b"), ("2_b", "5_e")])
def test_redo_drops_nothing_that_could_not_be_made_anew(run: RunDir, damaged: str, asked: str) -> None:
    make_chain(run, Build())
    with pytest.raises(StageError):
        run.make("5_e", failing, settings={}, inputs=["2_b"])  # only begun
    (run.path / damaged / "result").unlink()
    before = sorted(run.path.rglob("*"))
    with pytest.raises(ValueError, match=f"{damaged}/result is missing; .*--redo {damaged}"):
        run.redo(asked)
    assert sorted(run.path.rglob("*")) == before
    if damaged == "2_b":
        assert run.redo("4_d") == ["4_d"], "what does not need it can be made anew"


def test_redo_deletes_no_file_that_the_run_did_not_make(run: RunDir) -> None:
    make_chain(run, Build())
    notes = run.path / "3_c" / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(ValueError, match="3_c/notes.txt was not made by this run, and would be deleted"):
        run.redo("2_b")
    assert notes.exists() and (run.path / "2_b" / DONE).exists()


@pytest.mark.parametrize("mine", ["3_c/.notes", "5_e.partial/notes.txt", "5_e.partial/deep/.hidden.json"])
def test_redo_deletes_no_hidden_file_and_none_of_an_unfinished_stage_that_no_stage_makes(
    run: RunDir, mine: str
) -> None:
    make_chain(run, Build())
    with pytest.raises(StageError):
        run.make("5_e", failing, settings={}, inputs=["3_c"])
    (run.path / "5_e.partial" / ".model.pt.4711").write_text("written when the process was killed")
    notes = run.path / mine
    notes.parent.mkdir(exist_ok=True)
    notes.write_text("mine")
    with pytest.raises(ValueError, match=f"{mine} was not made by this run, and would be deleted"):
        run.redo("2_b")
    notes.unlink()
    assert run.redo("2_b") == ["5_e", "3_c", "2_b"]


@pytest.mark.parametrize("name", ["part-00000.arrow", "part-00000.npy", "a.npz", "model.pt", "pairs.parquet"])
def test_a_flipped_bit_in_what_an_unfinished_stage_has_made_is_noticed_when_it_is_resumed(
    run: RunDir, name: str
) -> None:
    def breaks_off(folder: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
        write_shard(folder / "tiles", 0, ["a", "b", "c"], images)
        write_array(folder / "tiles" / "part-00000.npy", np.ones((3, 4), np.float32))
        np.savez(folder / "tiles" / "a.npz", scores=np.ones(500))
        save({"weight": torch.ones(500)}, folder / "tiles" / "model.pt")
        write_table(folder / "tiles" / "pairs.parquet", pa.table({"score": np.arange(500.0)}))
        raise RuntimeError("interrupted")

    for _ in range(2):  # what is whole is gone on with
        with pytest.raises(StageError, match="interrupted"):
            run.make("1_a", breaks_off, settings={})
    file = run.path / "1_a.partial" / "tiles" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged: it is not what was written .* --redo 1_a"):
        run.make("1_a", breaks_off, settings={})
    assert run.redo("1_a") == ["1_a"]


@pytest.mark.parametrize("damage", ["", "[", "3", "\xff"])
def test_a_damaged_list_of_versions_is_told_with_the_way_out(run: RunDir, damage: str) -> None:
    make_chain(run, Build())
    run.close()
    (run.path / "environment.json").write_text(damage, encoding="latin-1")
    with pytest.raises(ValueError, match="environment.json is damaged .*delete it, and the same command writes it"):
        run.open()


def test_a_folder_that_nobody_signed_is_not_overwritten(run: RunDir) -> None:
    (run.path / "1_a").mkdir()
    with pytest.raises(ValueError, match="1_a lacks DONE.json, so nobody knows what made it; move it away"):
        run.make("1_a", Build(), settings={})


def test_the_saved_settings_are_those_of_the_work_and_not_of_a_refused_command(tmp_path: Path) -> None:
    with RunDir(tmp_path, Experiment(seed=1)) as run:
        run.make("1_a", Build(), settings={"seed": 1})
    with RunDir(tmp_path, Experiment(seed=2)) as run, pytest.raises(ValueError, match="seed: 1 -> 2"):
        run.make("1_a", Build(), settings={"seed": 2})
    assert saved_settings(tmp_path / "config.yaml") == Experiment(seed=1)
    with RunDir(tmp_path, Experiment(seed=2)) as run:
        run.redo("1_a")
        run.make("1_a", Build(), settings={"seed": 2})
    assert saved_settings(tmp_path / "config.yaml") == Experiment(seed=2)


def test_a_run_stops_after_the_stage_asked_for_also_when_it_was_done_before(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            RunDir(tmp_path, Experiment(), stop_after="2_b") as run,
            pytest.raises(StopRequested, match="2_b"),
        ):
            make_chain(run, Build())
    assert not (tmp_path / "3_c").exists()


def test_opening_a_run_touches_nothing_until_it_is_used(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run", Experiment())
    assert run.status([]) == []
    assert not run.path.exists()


def test_two_processes_cannot_work_in_one_run(run: RunDir) -> None:
    with pytest.raises(ValueError) as caught:
        RunDir(run.path, Experiment()).open()
    assert str(caught.value) == (
        f"another process ({os.getpid()} on {platform.node()}) is at work in {run.path}; "
        "wait for it, or choose another folder with --run NAME"
    )
    run.close()
    RunDir(run.path, Experiment()).open()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from ucvgl.settings.experiment import Experiment
from ucvgl.run.record import DONE, read_record, write_record
from ucvgl.run.run_dir import RunDir

def build(folder):
    (folder / "half.json").write_text("before the kill")
    print("at work", flush=True)
    time.sleep(60)

RunDir(sys.argv[1], Experiment()).make("1_a", build, settings={"x": 1})
"""


def test_a_killed_process_leaves_neither_a_lock_nor_half_a_stage(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": root}
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "at work\n"
        with pytest.raises(ValueError, match=rf"another process \({process.pid} on "):
            RunDir(tmp_path, Experiment()).open()
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "1_a").exists()
    seen = []
    with RunDir(tmp_path, Experiment()) as run:
        run.make("1_a", lambda folder: seen.append((folder / "half.json").read_text()), settings={"x": 1})
    assert seen == ["before the kill"]


@pytest.mark.parametrize("moment", ["rename", "unlink"])
def test_a_kill_around_the_publishing_never_repeats_the_work(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    build = Build()

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, moment, die)
        run.make("1_a", build, settings={"x": 1})
    run.make("1_a", build, settings={"x": 1})
    assert build.calls == 1
    assert (run.path / "1_a" / "result").exists() and not (run.path / "1_a.partial").exists()


def test_what_a_killed_redo_left_behind_is_swept_away(run: RunDir) -> None:
    make_chain(run, Build())
    run.close()
    (run.path / "2_b").rename(run.path / ".dropped.2_b")
    run.open()
    assert not (run.path / ".dropped.2_b").exists()


def test_going_on_with_other_software_is_told(
    run: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    run.close()
    file = run.path / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"torch": "1.0"}))
    run.open()
    assert "this run was begun with torch 1.0 and goes on with" in caplog.text


def test_numbers_are_appended_over_reopenings(run: RunDir) -> None:
    run.log(stage="5_curriculum", step=1, loss=0.5)
    run.close()
    start = time.time()
    run.log(stage="5_curriculum", step=2, loss=0.25)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [0.5, 0.25]
    assert lines[0]["time"] <= lines[1]["time"] and lines[1]["time"] >= start - 0.01


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_stage_is_not_made_from_an_input_that_is_not_what_was_made(run: RunDir, damage: str) -> None:
    build = Build()
    run.make("1_a", build, settings={})
    result = run.path / "1_a" / "result"
    if damage == "delete":
        result.unlink()
    else:
        result.write_text("9" if damage == "flip" else "")
    with pytest.raises(ValueError, match=f"{result} (is not what 1_a made|has 0 bytes, but|is missing).*--redo 1_a"):
        run.make("2_b", build, settings={}, inputs=["1_a"])
    assert build.calls == 1 and not (run.path / "2_b").exists()


@pytest.mark.parametrize("text", ["", "seed: 7\n", "damaged"])
def test_settings_that_were_emptied_or_changed_are_not_read_as_those_of_the_run(run: RunDir, text: str) -> None:
    config = run.path / "config.yaml"
    assert saved_settings(config) == Experiment()
    seal = config.read_text().partition("\n")[0]
    config.write_text(text and f"{seal}\n{text}")
    with pytest.raises(ValueError, match="config.yaml is not what the run wrote: it was emptied, damaged or changed"):
        saved_settings(config)


def test_a_folder_with_files_of_somebody_else_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine: true")
    with pytest.raises(ValueError, match=rf"{tmp_path} is not empty \(config.yaml\), and is not a run; name another"):
        RunDir(tmp_path, Experiment()).open()
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == "mine: true"


@pytest.mark.parametrize("name", [
    ".lock", "failure.txt", "metrics.jsonl", "1_a", "1_a.partial/result", "tensorboard", "ray_train/session-0/a",
])  # fmt: skip
def test_a_link_in_a_run_is_refused_and_what_it_points_to_stays(tmp_path: Path, name: str) -> None:
    path, theirs = tmp_path / "run", tmp_path / "theirs"
    RunDir(path, Experiment()).open()
    theirs.write_text("precious")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to(theirs)
    with pytest.raises(ValueError, match=f"{name} is a link to {theirs}, which would be overwritten in its place"):
        RunDir(path, Experiment()).open()
    assert theirs.read_text() == "precious"


def test_a_file_of_a_finished_stage_that_is_cut_off_is_told_though_nothing_is_made_of_it(run: RunDir) -> None:
    run.make("1_a", Build(), settings={})
    (run.path / "1_a" / "result").write_text("")
    with pytest.raises(ValueError, match="1_a/result has 0 bytes, but 1_a wrote .*cut off or changed; .*--redo 1_a"):
        run.make("1_a", Build(), settings={})
    (run.path / "1_a" / "result").unlink()
    assert run.make("1_a", Build(), settings={}).exists(), "who needs room may remove what is not read any more"


def test_the_folder_of_a_run_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "large_disk")
    with RunDir(tmp_path / "runs" / "mine", Experiment()) as run:
        run.make("1_a", Build(), settings={})
    assert (tmp_path / "large_disk" / "mine" / "1_a" / "result").exists()
