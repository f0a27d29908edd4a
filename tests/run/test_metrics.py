"""Numbers reach `metrics.jsonl` and TensorBoard, also over a kill."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

from ucvgl.run.metrics import MetricsLog, read_metrics


def test_a_line_torn_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"loss": 1.0}\n{"loss": 0.')
    log = MetricsLog(tmp_path)
    log.write(loss=0.25)
    log.close()
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b"3\n[]\n\xff\n" + b"[" * 5000 + b"\n")
    assert [line["loss"] for line in read_metrics(tmp_path)] == [1.0, 0.25]


def test_a_run_without_numbers_has_none(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def test_every_line_is_strict_json_whatever_the_numbers(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.write(stage="4_cold_start", loss=math.nan, margin=np.float32(0.5), labels=np.int64(3))
    log.close()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    numbers = json.loads(line, parse_constant=refuse)
    del numbers["time"], numbers["check"]
    assert numbers == {"stage": "4_cold_start", "loss": None, "margin": 0.5, "labels": 3}


def test_tensorboard_shows_the_numbers_by_stage_and_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path)
    for step in (1, 2):
        log.write(stage="4_cold_start", step=step, loss=1 / step)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["4_cold_start/loss"]
    assert [(event.step, event.value) for event in events.Scalars("4_cold_start/loss")] == [
        (1, 1.0),
        (2, 0.5),
    ]


def test_numbers_are_written_without_torch(tmp_path: Path) -> None:
    """A process that only follows a run, as that of a trial, would wait for it for seconds."""
    code = f"""if True:
        import sys
        from pathlib import Path
        from ucvgl.run.metrics import MetricsLog
        log = MetricsLog(Path({str(tmp_path)!r}))
        log.write(stage="curriculum", step=1, judged=0.5)
        log.close()
        sys.exit("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert [*tmp_path.glob("tensorboard/events.*")]


def test_a_line_of_which_a_digit_changed_is_left_out_and_lines_without_a_checksum_are_read(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write(step=step, judged=0.5)
    log.close()
    file = tmp_path / "metrics.jsonl"
    first, second, third = file.read_text().splitlines()
    file.write_text("\n".join([first, second.replace("0.5", "0.9"), third, '{"step": 4, "judged": 0.25}', ""]))
    assert [(row["step"], row["judged"]) for row in read_metrics(tmp_path)] == [(1, 0.5), (3, 0.5), (4, 0.25)]
    assert not any("check" in row for row in read_metrics(tmp_path))
