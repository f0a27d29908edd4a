"""Whatever a local Ray leaves behind is ended and removed, however its driver ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ucvgl.distributed import caretaker

SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(60)"]


def sleeper(folder) -> subprocess.Popen:
    process = subprocess.Popen(SLEEPER, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    return process


def test_what_runs_in_the_folder_is_ended_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(caretaker, "GRACE_S", 0.1)
    ours, folder = tmp_path / "ray-1", tmp_path / "ray-12"
    for one in (ours, folder):
        (one / "session").mkdir(parents=True)
    left, other = sleeper(ours), sleeper(folder)
    assert caretaker.living_in(str(ours)) == [left.pid]
    caretaker.tidy(str(ours))
    assert left.wait(10) == -signal.SIGKILL and not ours.exists()
    assert other.poll() is None and folder.exists()
    other.kill()
    other.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_folder_goes_with_the_process_that_asked_for_it_even_if_that_is_killed(tmp_path, number):
    folder = tmp_path / "ray-1"
    folder.mkdir()
    dies = f"os.kill(os.getpid(), {int(number)})"
    code = f"import os, sys, ucvgl.distributed.caretaker as c; c.attend(sys.argv[1]); {dies}"
    ended = subprocess.run([sys.executable, "-c", code, str(folder)], stderr=subprocess.PIPE, text=True)
    assert ended.returncode == -number and ended.stderr.strip() == caretaker.SUDDEN
    end = time.monotonic() + 30
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()
