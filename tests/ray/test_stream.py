"""A stream that comes to a standstill, on a real Ray."""

import time
from pathlib import Path

import pytest
import ray.data

from ucvgl.distributed.stream import Step, stream_missing

STANDSTILL_S = 20
"""Longer than a busy machine needs to start a process."""


@pytest.fixture
def impatient(cluster):
    context = ray.data.DataContext.get_current()
    before, context.execution_no_progress_timeout_s = context.execution_no_progress_timeout_s, STANDSTILL_S
    yield
    context.execution_no_progress_timeout_s = before


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
