"""A stream that comes to a standstill, on a real Ray."""

import time
from pathlib import Path

import pytest
import ray.data

from ucvgl.distributed.stream import Step, stream, stream_missing

STANDSTILL_S = 8
"""Longer than a task waits for a process that is there."""


@pytest.fixture
def impatient(cluster, monkeypatch):
    list(stream([{"of": "nothing"}], Step(title)))  # a busy machine may need longer to start a process
    context = ray.data.DataContext.get_current()
    monkeypatch.setattr(context, "execution_no_progress_timeout_s", STANDSTILL_S)
    return context


@pytest.mark.slow
def test_what_is_missing_is_done_again_after_a_standstill(impatient, tmp_path):
    def missing():
        return [{"name": name, "folder": str(tmp_path)} for name in "ab" if not (tmp_path / name).exists()]

    came = [row["name"] for row in stream_missing(missing, Step(stand_still_once))]
    assert (tmp_path / "stood_still").exists()
    assert sorted(file.name for file in tmp_path.glob("?")) == ["a", "b"]
    assert came.count("b") == 1


def stand_still_once(row):
    folder = Path(row["folder"])
    if row["name"] == "b" and not (folder / "stood_still").exists():
        (folder / "stood_still").touch()
        time.sleep(120)
    (folder / row["name"]).touch()
    return row


@pytest.mark.slow
def test_what_is_always_slow_is_waited_for_longer(impatient, tmp_path):
    rows = [{"name": "a", "seconds": 1.1 * STANDSTILL_S, "folder": str(tmp_path)}]
    assert [row["name"] for row in stream_missing(lambda: rows, Step(take_long))] == ["a"]
    assert impatient.execution_no_progress_timeout_s == STANDSTILL_S
    assert (tmp_path / "a").read_text() == "xx", "it was slow once only"


@pytest.mark.slow
def test_a_stream_that_stands_still_for_good_is_an_error_in_plain_words(impatient, monkeypatch, tmp_path):
    monkeypatch.setattr(impatient, "execution_no_progress_timeout_s", 1)
    rows = [{"name": "a", "seconds": 600, "folder": str(tmp_path)}]
    with pytest.raises(ValueError, match="no row has arrived for 1 s, 2 s, 4 s: a machine hangs, or all are too busy"):
        list(stream_missing(lambda: rows, Step(take_long)))
    (tmp_path / "enough").touch()


def take_long(row):
    """A task that Ray Data has given up holds its CPU until it ends: the next test needs them all."""
    folder, end = Path(row["folder"]), time.monotonic() + row["seconds"]
    with (folder / row["name"]).open("a") as file:
        file.write("x")
    while time.monotonic() < end and not (folder / "enough").exists():
        time.sleep(0.1)
    return row


def test_a_process_is_called_after_the_step_that_it_runs(cluster):
    for step in (title, Title):
        (row,) = stream([{"of": "nothing"}], Step(step))
        assert f"({step.__name__})" in row["title"]


def title(row):
    return {"title": Path("/proc/self/cmdline").read_text()}


class Title:
    def __call__(self, row):
        return title(row)
