"""The loop that every training shares: step, log, check, checkpoint, resume."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ucvgl.model import workers

Log = Callable[..., None]


@runtime_checkable
class Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


def run_steps(
    step: Callable[[int], Mapping[str, Tensor | float]],
    steps: int,
    *,
    name: str,
    folder: Path,
    state: Mapping[str, Stateful],
    images_per_step: int,
    log: Log,
    log_seconds: float = 5.0,
    checkpoint_seconds: float = 30.0,
) -> None:
    """Call `step(i)` for every i, from the last checkpoint in `folder` on.

    A step must depend on i and `state` alone; then a broken-off run that resumes ends as an undisturbed one.
    Only the first worker writes; all resume from its file.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint is kept.
    """
    path = folder / f"{name}.checkpoint"
    first = _resume(path, state)
    now = time.monotonic()
    began = logged = saved = now
    waiting: list[Mapping[str, Tensor | float]] = []
    done_at_log = first
    for index in range(first, steps):
        waiting.append(step(index))
        now, last = time.monotonic(), index + 1 == steps
        if last or now - logged >= log_seconds:
            means = _means(waiting)
            bad = [key for key, value in means.items() if not math.isfinite(value)]
            if bad:
                raise FloatingPointError(
                    f"{name}: {', '.join(bad)} not finite within steps {done_at_log}..{index}; "
                    f"the last good checkpoint is {path.name}. A smaller learning rate is the usual way out"
                )
            if workers.rank() == 0:
                pace = (now - logged) / len(waiting)
                eta = (now - began) / (index + 1 - first) * (steps - index - 1)
                rate = images_per_step / pace
                log(stage=name, step=index + 1, steps=steps, **means, images_per_s=round(rate, 1), eta_s=round(eta))
            waiting, logged, done_at_log = [], now, index + 1
            if not last and now - saved >= checkpoint_seconds:
                _save(path, state, index + 1)
                saved = now
    workers.barrier()


def finish(folder: Path, name: str) -> None:
    """Drop the checkpoint of a loop whose result has been published."""
    if workers.rank() == 0:
        (folder / f"{name}.checkpoint").unlink(missing_ok=True)


def _means(rows: list[Mapping[str, Tensor | float]]) -> dict[str, float]:
    """The mean of each number over the steps that had it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(float(value))
    return {key: round(sum(found) / len(found), 5) for key, found in values.items()}


def _resume(path: Path, state: Mapping[str, Stateful]) -> int:
    if not path.exists():
        return 0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    for key, part in state.items():
        part.load_state_dict(saved["state"][key])
    return saved["step"]


def _save(path: Path, state: Mapping[str, Stateful], step: int) -> None:
    if workers.rank() != 0:
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save({"step": step, "state": {key: part.state_dict() for key, part in state.items()}}, aside)
    os.replace(aside, path)
