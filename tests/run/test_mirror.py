"""A run copied to an S3 server: another machine goes on from there, from whatever moment the first was lost at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ucvgl.files import cached, room
from ucvgl.images.storage import list_files, read, write
from ucvgl.run import mirror
from ucvgl.run.copied import names_of
from ucvgl.run.mirror import Mirror, fetch_records
from ucvgl.run.places import local_folder
from ucvgl.run.prospects import Stage, prospects
from ucvgl.run.run_dir import RunDir, StageError
from ucvgl.settings.experiment import Experiment

PLAN = [Stage("1_a", {"x": 1}), Stage("2_b", {"y": 1}, ["1_a"])]


@pytest.fixture
def uri(bucket: str) -> str:
    return f"s3://{bucket}/runs/mine"


def machine(folder: Path, uri: str) -> Mirror:
    """A machine that begins or goes on; its folder is looked at only when told to."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Mirror(folder, uri, every_s=1e9)
    found.fetch()
    return found


def work(folder: Path, *, fail: bool = False) -> list[str]:
    """Two stages, of which the second goes on from its checkpoint; what was done anew."""
    done = []

    def first(at: Path) -> None:
        done.append("1_a")
        (at / "shards").mkdir(exist_ok=True)
        for k in range(3):
            (at / "shards" / f"part-{k}").write_bytes(bytes([k]) * 10)

    def second(at: Path) -> None:
        if not (at / "checkpoint").exists():
            done.append("2_b begun")
            (at / "checkpoint").write_text("half")
        if fail:
            raise RuntimeError("the machine is lost")
        done.append("2_b ended")
        (at / "checkpoint").unlink()
        (at / "model").write_text("whole")

    with RunDir(folder, Experiment()) as run:
        for stage, build in zip(PLAN, (first, second), strict=True):
            run.make(stage.name, build, settings=stage.settings, inputs=stage.inputs)
    return done


def states(folder: Path) -> dict[str, str]:
    return {prospect.stage: prospect.state for prospect in prospects(folder, PLAN)}


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_finished_run_is_reused_on_another_machine(uri: str, tmp_path: Path) -> None:
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
    with machine(tmp_path / "two", uri):
        assert content(tmp_path / "two") == content(tmp_path / "one")
        assert work(tmp_path / "two") == []


def test_a_broken_stage_goes_on_from_its_checkpoint_on_another_machine(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StageError), machine(tmp_path / "one", uri):
        work(tmp_path / "one", fail=True)
    with machine(tmp_path / "two", uri):
        assert states(tmp_path / "two") == {"1_a": "reused", "2_b": "resumed"}
        assert work(tmp_path / "two") == ["2_b ended"]
    assert not any("checkpoint" in place for place in list_files(uri)), "what is gone here is not gone there"


def test_a_machine_lost_while_it_copies_leaves_a_state_the_run_was_in(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(tmp_path / "one")
    one = machine(tmp_path / "one", uri)
    one.__enter__()
    time.sleep(2 * mirror.SETTLED_S)
    left = 0

    def copy(file: Path, to: str, real: Callable = mirror.copy_out) -> bool:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return real(file, to)

    monkeypatch.setattr(mirror, "copy_out", copy)
    seen = []
    for lost in range(100):
        left = 1
        try:
            one.push()
        except KeyboardInterrupt:
            folder = tmp_path / f"other-{lost}"
            folder.mkdir()
            Mirror(folder, uri).fetch()
            seen.append(tuple(states(folder).values()))
            if seen[-1][0] == "reused":
                assert len(list((folder / "1_a" / "shards").iterdir())) == 3
            if seen[-1][1] == "reused":
                assert (folder / "2_b" / "model").read_text() == "whole"
            continue
        break
    order = [("run", "run"), ("resumed", "run"), ("reused", "run"), ("reused", "resumed"), ("reused", "reused")]
    assert list(dict.fromkeys(seen)) == [state for state in order if state in seen]
    assert {("resumed", "run"), ("reused", "resumed")} < set(seen)


def test_an_older_process_stops_when_a_newer_one_takes_the_run_over(uri: str, tmp_path: Path) -> None:
    stopped = []
    (tmp_path / "one").mkdir()
    one = Mirror(tmp_path / "one", uri, every_s=0.05, superseded=lambda: stopped.append("one"))
    with one:
        (tmp_path / "one" / "config.yaml").write_text("one")
        one.push()
        with machine(tmp_path / "two", uri):
            one._thread.join(timeout=30)
            assert stopped == ["one"]
            (tmp_path / "two" / "config.yaml").write_text("two")
        (tmp_path / "one" / "config.yaml").write_text("late")
    assert read(f"{uri}/config.yaml") == b"two"


def test_a_folder_that_was_left_behind_is_brought_up_to_date(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StageError), machine(tmp_path / "one", uri):
        work(tmp_path / "one", fail=True)
    with machine(tmp_path / "two", uri):
        work(tmp_path / "two")
    kept = (tmp_path / "one" / "1_a" / "shards" / "part-0").stat().st_ino
    with machine(tmp_path / "one", uri):
        assert states(tmp_path / "one") == {"1_a": "reused", "2_b": "reused"}
        assert content(tmp_path / "one") == content(tmp_path / "two")
    assert (tmp_path / "one" / "1_a" / "shards" / "part-0").stat().st_ino == kept, "a finished stage is fetched again"


def test_the_last_writer_keeps_what_it_had_not_copied_yet(uri: str, tmp_path: Path) -> None:
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
    (tmp_path / "one" / "newer").write_text("not copied")
    with machine(tmp_path / "one", uri):
        pass
    assert read(f"{uri}/newer") == b"not copied"


def test_only_what_is_new_is_copied(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    real = mirror.copy_out
    monkeypatch.setattr(mirror, "copy_out", lambda file, to: (copied.append(to), real(file, to))[1])
    for folder in ("one", "two", "two"):
        with machine(tmp_path / folder, uri):
            work(tmp_path / folder)
    assert sorted(set(copied)) == sorted(copied), "a file was copied again"


def test_what_is_fetched_by_half_is_fetched_again(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
    copied = []

    def copy(there: str, file: Path, real: Callable = mirror.copy_in) -> None:
        copied.append(there)
        if len(copied) == 3:
            raise KeyboardInterrupt
        real(there, file)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(mirror, "copy_in", copy)
        machine(tmp_path / "two", uri)
    machine(tmp_path / "two", uri)
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_a_file_is_never_copied_before_one_that_was_written_before_it(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the folder is looked at, images are written where the look has been, and their record where it goes."""
    with machine(tmp_path / "one", uri) as one:

        def late(*arguments: object, real: Callable = one._present) -> dict:
            found = real()
            for name in ("images", "record"):
                (tmp_path / "one" / name).write_text(name)
            found["record"] = (tmp_path / "one" / "record", mirror._state(tmp_path / "one" / "record"))
            return found

        with monkeypatch.context() as patch:
            patch.setattr(one, "_present", late)
            one.push()
        assert list(list_files(uri)) == [".owner"]
    assert sorted(list_files(uri)) == [".owner", "images", "record"]


def test_a_folder_renamed_while_it_is_looked_at_loses_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(tmp_path / "one", uri) as one:
        (tmp_path / "one" / "1_a.partial").mkdir()
        (tmp_path / "one" / "1_a.partial" / "part").write_text("x")
        time.sleep(2 * mirror.SETTLED_S)
        one.push()
        (tmp_path / "one" / "1_a.partial").rename(tmp_path / "one" / "1_a")
        with monkeypatch.context() as patch:
            patch.setattr(one, "_present", lambda: {})
            one.push()
        assert "1_a/part" in list_files(uri)


def test_a_stage_made_again_is_gone_from_the_store_with_its_record_first(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    real = mirror.delete
    monkeypatch.setattr(mirror, "delete", lambda there: (deleted.append(there.removeprefix(f"{uri}/")), real(there)))
    with machine(tmp_path / "one", uri) as one:
        work(tmp_path / "one")
        time.sleep(2 * mirror.SETTLED_S)
        one.push()
        with RunDir(tmp_path / "one", Experiment()) as run:
            run.redo("2_b")
    assert deleted[-2:] == ["2_b/DONE.json", "2_b/model"]
    with machine(tmp_path / "two", uri):
        assert states(tmp_path / "two") == {"1_a": "reused", "2_b": "run"}


def test_a_run_that_is_no_copy_is_left_alone(uri: str, tmp_path: Path) -> None:
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
    work(tmp_path / "own")
    with pytest.raises(ValueError, match=f"own holds a run that is no copy of {uri}; move it away"):
        machine(tmp_path / "own", uri)
    assert (tmp_path / "own" / "2_b" / "model").exists()


def test_records_alone_tell_what_would_become_of_the_stages(uri: str, tmp_path: Path) -> None:
    fetch_records(uri, tmp_path / "empty")
    with pytest.raises(StageError), machine(tmp_path / "one", uri):
        work(tmp_path / "one", fail=True)
    fetch_records(uri, tmp_path / "records")
    assert states(tmp_path / "records") == {"1_a": "reused", "2_b": "resumed"}
    assert sorted(os.listdir(tmp_path / "records" / "1_a")) == ["DONE.json"]


def test_hidden_files_and_ray_trains_own_are_not_copied(uri: str, tmp_path: Path) -> None:
    with machine(tmp_path / "one", uri):
        for name in ("ray_train/state", "1_a.partial/.part-0.123", "1_a.partial/part-0", ".lock"):
            (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "one" / name).write_text("x")
    assert sorted(list_files(uri)) == [".owner", "1_a/part-0"]


def test_the_local_folder_is_named_after_bucket_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCVGL_RUNS", raising=False)
    assert local_folder("s3://bucket/runs/mine/?region=eu") == Path("runs/bucket/runs/mine")
    monkeypatch.setenv("UCVGL_RUNS", "/shared/runs")
    assert local_folder("s3://bucket/runs/mine") == Path("/shared/runs/bucket/runs/mine")


@pytest.mark.parametrize("hours", [-48, 48])
def test_files_of_another_clock_are_copied_before_it_is_said(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, hours: int
) -> None:
    """A clock that was set back, or that of a file server ahead of this machine's."""
    caplog.set_level("INFO")
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
        for path in (tmp_path / "one").rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() + 3600 * hours,) * 2)
    assert f"copied to {uri}" in caplog.text
    with machine(tmp_path / "two", uri):
        assert content(tmp_path / "two") == content(tmp_path / "one")
        assert states(tmp_path / "two") == {"1_a": "reused", "2_b": "reused"}


def test_a_record_is_copied_after_its_files_whatever_the_clock_says(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    real = mirror.copy_out
    monkeypatch.setattr(mirror, "copy_out", lambda file, to: (copied.append(to), real(file, to))[1])
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
        os.utime(tmp_path / "one" / "1_a" / "DONE.json", (1, 1))
    of_stage = [place.removeprefix(f"{uri}/1_a/") for place in copied if "/1_a/" in place]
    assert of_stage[-1] == "DONE.json" and len(of_stage) == 5


def test_copied_is_said_of_nothing_that_is_not_there(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(mirror, "copy_out", lambda file, to: True)
    one, words = machine(tmp_path / "one", uri), "lacks .* files of this run .*; the same command copies them"
    with pytest.raises(mirror.StorageError, match=words), one:
        work(tmp_path / "one")
    assert "copied to" not in caplog.text


def test_a_place_that_holds_something_else_is_refused_and_loses_nothing(uri: str, tmp_path: Path) -> None:
    """Else a run that is given the place of its images deletes them, as they are not in its folder."""
    write(f"{uri}/panorama/a.jpg", b"precious")
    with pytest.raises(ValueError, match=rf"{uri} is not empty \(panorama/a.jpg\) and holds no run, so"):
        machine(tmp_path / "one", uri)
    assert list(list_files(uri)) == ["panorama/a.jpg"]


def test_files_of_somebody_else_stay_in_the_store_and_in_the_folder(uri: str, tmp_path: Path) -> None:
    with machine(tmp_path / "one", uri):
        work(tmp_path / "one")
    write(f"{uri}/notes/there.txt", b"precious")
    with machine(tmp_path / "one", uri):
        pass
    assert read(f"{uri}/notes/there.txt") == b"precious"
    (tmp_path / "one" / "here.txt").write_text("precious")
    with machine(tmp_path / "two", uri):
        (tmp_path / "two" / "newer").write_text("x")
    machine(tmp_path / "one", uri)
    assert (tmp_path / "one" / "here.txt").read_text() == "precious"
    assert (tmp_path / "one" / "newer").exists()


def test_what_came_to_be_read_and_went_to_make_room_stays_in_the_store(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UCVGL_CACHE", str(tmp_path))

    def build(at: Path) -> None:
        (at / "images.arrow").write_bytes(b"many")

    with machine(tmp_path / "one", uri), RunDir(tmp_path / "one", Experiment()) as run:
        run.make("1_a", build, settings={})
    for turn in range(2):  # the second time another machine was at work on it meanwhile
        with machine(tmp_path / "two", uri) as second:
            shard = tmp_path / "two" / "1_a" / "images.arrow"
            assert cached.here(shard).read_bytes() == b"many"
            if turn:
                os.utime(shard, ns=(0, shard.stat().st_mtime_ns))
                monkeypatch.setenv("UCVGL_CACHE_GB", "0")
                with pytest.raises(room.CacheFull):
                    room.make(1)
                assert not shard.exists()
                second.push()
                assert "1_a/images.arrow" in list_files(uri)
        with machine(tmp_path / "one", uri):
            pass


@pytest.mark.parametrize("place", ["../x", "1_a/../../x", "/etc/x", "1_a//x", "./x"])
def test_a_key_that_leads_out_of_the_folder_is_not_fetched(place: str) -> None:
    assert names_of([place, "config.yaml", "1_a/DONE.json"]) == {
        "config.yaml": "config.yaml", "1_a/DONE.json": "1_a/DONE.json"
    }  # fmt: skip
