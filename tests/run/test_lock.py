"""One process at a time in a folder, where locks hold and where they do not."""

import logging
import os
import time
from pathlib import Path

import pytest

from ucvgl.run import lock
from ucvgl.run.lock import Lock, locked

FAR = f"1 {'0' * 32} boot:7 process 12 on elsewhere"


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.02)
    monkeypatch.setattr(lock, "PATIENCE_S", 0.4)


@pytest.fixture
def apart(monkeypatch):
    """Locks the folder as another machine would whose locks this one does not see."""
    monkeypatch.setattr(lock.fcntl, "flock", lambda file, how: None)

    def of(machine: str, folder: Path, ended: list[str]) -> Lock:
        monkeypatch.setattr(lock, "_machine", lambda folder: machine)
        return locked(folder, superseded=lambda: ended.append(machine))

    return of


def test_a_folder_that_lives_on_another_machine_is_refused_though_its_lock_does_not_reach_here(tmp_path, apart) -> None:
    held = apart("a", tmp_path, [])
    with pytest.raises(ValueError, match=rf"another process \({os.getpid()} on .*\) is at work in {tmp_path}; wait"):
        apart("b", tmp_path, [])
    held.release()
    begun = time.monotonic()
    apart("b", tmp_path, []).release()
    assert time.monotonic() - begun < lock.PATIENCE_S, "what was left in order is not watched"


def test_a_folder_of_a_machine_that_is_gone_is_taken_over_after_a_while(tmp_path: Path, caplog) -> None:
    (tmp_path / ".lock").write_text(FAR)
    with caplog.at_level(logging.WARNING):
        locked(tmp_path).release()
    assert f"{tmp_path} was held by 12 on elsewhere; waiting 0 s to see whether it lives" in caplog.text
    assert not (tmp_path / ".lock").read_text()


def test_of_two_machines_that_begin_at_one_moment_one_stops(tmp_path: Path, apart, monkeypatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(lock, "_watch", lambda path, before: None)  # neither saw the other's name
    held = [apart(machine, tmp_path, ended) for machine in "ab"]
    time.sleep(0.5)
    assert len(ended) == 1
    for one in held:
        one.release()


def test_what_an_older_version_or_a_process_of_this_machine_left_is_not_waited_for(tmp_path: Path) -> None:
    for left in ("4711", f"9 {'0' * 32} {lock._machine(tmp_path)} process 12 on here"):
        (tmp_path / ".lock").write_text(left)
        begun = time.monotonic()
        locked(tmp_path).release()
        assert time.monotonic() - begun < lock.PATIENCE_S


def test_a_folder_without_locks_is_watched_as_if_others_were_elsewhere(tmp_path: Path, monkeypatch) -> None:
    def none(file, how) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", none)
    held = locked(tmp_path)
    with pytest.raises(ValueError, match="is at work in"):
        locked(tmp_path)
    held.release()


def test_a_folder_that_is_deleted_meanwhile_ends_nothing(tmp_path: Path) -> None:
    (folder := tmp_path / "run").mkdir()
    ended: list[str] = []
    held = locked(folder, superseded=lambda: ended.append(""))
    (folder / ".lock").unlink()
    time.sleep(0.1)
    held.release()
    assert not ended


@pytest.mark.parametrize("kind", ["fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "ext4", "nfs4", "fuse.sshfs"])
def test_a_bucket_that_is_mounted_as_a_folder_is_told_of(tmp_path: Path, monkeypatch, caplog, kind: str) -> None:
    run = tmp_path / "my bucket" / "run"
    run.mkdir(parents=True)
    mounts = ["disk / ext4 rw 0 0", f"b: {tmp_path}/my\\040bucket {kind} rw 0 0", f"c: {tmp_path}/my\\040b nfs rw 0 0"]
    (tmp_path / "mounts").write_text("\n".join(mounts))
    monkeypatch.setattr(lock, "MOUNTS", tmp_path / "mounts")
    locked(run).release()
    told = f"{run} is a bucket that was mounted ({kind}), where a job on another machine is not noticed in time"
    assert (told in caplog.text) == (kind in ("fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"))
