"""Numbers of a run, as lines of `metrics.jsonl` and as TensorBoard scalars."""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import Any
from zlib import crc32

CHECK = re.compile(r', "check": (\d{1,10})\}$')
"""The last of every line, of all before it: a sweep that goes on decides by these numbers who is stopped."""


class MetricsLog:
    """Appends to one run's numbers; safe to reopen after the process was killed in the middle of a line."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        before = self._path.read_bytes() if self._path.exists() else b""
        self._lines = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - closed in close()
        if before and not before.endswith(b"\n"):
            self._lines.write("\n")
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # torch's own takes torch, and seconds

        self._board = EventFileWriter(str(folder / "tensorboard"), flush_secs=10)

    def write(self, **numbers: Any) -> None:
        """One line of numbers and labels.

        `step`, where given, is the horizontal axis in TensorBoard, and `stage` the group; texts are for the
        file only.
        """
        numbers = {name: _plain(value) for name, value in numbers.items()}
        line = json.dumps({"time": round(time.time(), 3), **numbers})
        self._lines.write(f'{line[:-1]}, "check": {crc32(line.encode())}}}\n')
        self._lines.flush()
        group = f"{numbers['stage']}/" if "stage" in numbers else ""
        for name, value in numbers.items():
            if name != "step" and isinstance(value, (int, float)):
                self._show(group + name, value, numbers.get("step") or 0)

    def _show(self, tag: str, value: float, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=float(value))])
        self._board.add_event(Event(wall_time=time.time(), step=int(step), summary=summary))

    def close(self) -> None:
        """Have every number in its file, and let go of both."""
        self._lines.close()
        self._board.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Every whole line of a run's `metrics.jsonl`; a line torn by a kill, or damaged, is left out."""
    path = folder / "metrics.jsonl"
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        checked = CHECK.search(line)
        whole = checked is None or crc32(f"{line[: checked.start()]}}}".encode()) == int(checked[1])
        if whole and isinstance(row, dict):
            found.append({name: value for name, value in row.items() if name != "check"})
    return found


def _plain(value: Any) -> Any:
    """Python's number for NumPy's and torch's; None where it is not finite, as JSON has no word for that."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
