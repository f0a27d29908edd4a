"""The loop that every training shares: step, log, check, checkpoint, resume."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from ucvgl.files import cached
from ucvgl.networks.saved import load_saved, save
from ucvgl.training import workers

logger = logging.getLogger(__name__)

Log = Callable[..., None]
Numbers = Mapping[str, Tensor | float]

DAMAGED = ".damaged"
SKIPPED_IN_A_ROW = 10
"""Steps without a finite loss that may follow each other before skipping them is given up."""


@runtime_checkable
class Stateful(Protocol):
    """What a checkpoint can keep: networks, optimisers, pools of images."""

    def state_dict(self) -> dict[str, Any]:
        """All that has to be kept."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Go on from what `state_dict` gave."""
        ...


def run_steps(
    step: Callable[[int], Numbers],
    steps: int,
    *,
    name: str,
    folder: Path,
    state: Mapping[str, Stateful],
    images_per_step: int,
    log: Log,
    seen: Callable[[int], Mapping[str, Any]] = lambda index: {},
    waited: Callable[[], float] = lambda: 0.0,
    not_finite: Literal["stop", "skip"] = "stop",
    log_seconds: float = 5.0,
    checkpoint_seconds: float = 30.0,
    checkpoint_share: float = 0.05,
) -> None:
    """Call `step(i)` for every i, from the last checkpoint in `folder` on.

    What the steps return is looked at when a line of the log is due, all at once: reading a number makes the processor
    wait for the device, and then the device for the processor. So a number that is not finite is noticed some steps
    later, in time for the next checkpoint.

    A step must depend on i and `state` alone; then a broken-off run that resumes ends as an undisturbed one.
    Only the first worker writes; all resume from its file. A checkpoint that cannot be written is said and tried again
    later; one that cannot be read is set aside, and the training begins anew.

    Args:
        step: returns its losses. It has to leave `state` alone where they are not finite (`Descent` does).
        seen: the ids of the images that a step sees, for the list of steps whose numbers are not finite.
        waited: seconds that the steps so far have waited for what they read.
        not_finite: what such a step means: the end of the training, or one step less.
        checkpoint_share: of the time, that checkpoints may take; where they are slow to write, they are rarer.

    Raises:
        ValueError: a number is not finite, or too many in a row, or the device is out of memory; the last checkpoint
            is kept.
    """
    path = folder / f"{name}.checkpoint"
    first = _resume(path, state)
    guard = _Guard(name, folder / f"{name}.not_finite.jsonl", seen, not_finite)
    began = logged = saved = time.monotonic()
    pause, waited_before = checkpoint_seconds, 0.0
    waiting: list[Numbers] = []
    for index in range(first, steps):
        try:
            waiting.append(step(index))
        except torch.OutOfMemoryError as error:
            raise ValueError(f"{name}, step {index + 1}: {_out_of_memory(error)}") from error
        last = index + 1 == steps
        if last or time.monotonic() - logged >= log_seconds:
            done = enumerate(_read(waiting), index + 1 - len(waiting))
            finite = [numbers for number, numbers in done if not guard.refuses(number, numbers)]
            now = time.monotonic()
            if workers.rank() == 0:
                rate = images_per_step * len(waiting) / (now - logged)
                eta = (now - began) / (index + 1 - first) * (steps - index - 1)
                row = {"stage": name, "step": index + 1, "steps": steps, **_means(finite), **guard.skipped()}
                waits = (waited() - waited_before) / (now - logged)
                log(**row, images_per_s=round(rate, 1), data_wait=round(waits, 3), eta_s=round(eta))
            waiting, logged, waited_before = [], now, waited()
            if not last and now - saved >= pause:
                _save(path, state, index + 1)
                saved = time.monotonic()
                pause = max(checkpoint_seconds, (saved - now) / checkpoint_share)
    workers.barrier()


def finish(folder: Path, name: str) -> None:
    """Drop the checkpoint of a loop whose result has been published."""
    if workers.rank() == 0:
        cached.remove(folder / f"{name}.checkpoint")


@dataclass
class _Guard:
    """Steps whose numbers are not finite: listed with their images, and then the end, or skipped."""

    name: str
    listed: Path
    seen: Callable[[int], Mapping[str, Any]]
    policy: Literal["stop", "skip"]
    _in_a_row: int = 0
    _in_all: int = 0

    def refuses(self, index: int, numbers: Mapping[str, float]) -> bool:
        bad = {key: value for key, value in numbers.items() if not math.isfinite(value)}
        if not bad:
            self._in_a_row = 0
            return False
        self._in_a_row, self._in_all = self._in_a_row + 1, self._in_all + 1
        if workers.rank() == 0:
            self.listed.parent.mkdir(parents=True, exist_ok=True)
            with self.listed.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": index + 1, "numbers": str(bad), **self.seen(index)}) + "\n")
            cached.uploaded(self.listed)
        said = f"{self.name}, step {index + 1}: {', '.join(f'{key} is {value}' for key, value in bad.items())}"
        if self.policy == "stop" or self._in_a_row >= SKIPPED_IN_A_ROW:
            again = f", as in the {self._in_a_row - 1} steps before" if self._in_a_row > 1 else ""
            raise ValueError(
                f"{said}{again}. Its images are listed in {self.listed}, and the last good checkpoint is kept; "
                "a smaller learning rate is the usual way out"
            )
        logger.warning("%s: skipped; its images are listed in %s", said, self.listed)
        return True

    def skipped(self) -> dict[str, int]:
        return {"skipped": self._in_all} if self._in_all else {}


def _read(rows: Sequence[Numbers]) -> list[dict[str, float]]:
    """The numbers of some steps: those that lie on a device come in one copy."""
    there = [value for row in rows for value in row.values() if isinstance(value, Tensor)]
    read = iter(torch.stack([value.double() for value in there]).tolist() if there else [])
    return [{key: next(read) if isinstance(value, Tensor) else value for key, value in row.items()} for row in rows]


def _out_of_memory(error: torch.OutOfMemoryError) -> str:
    said = (str(error).splitlines() or [""])[0]
    return (
        f"the device is out of memory ({said}). The last checkpoint is kept; let an encoder see fewer images at a time "
        "(resources.train_rows), which changes no result, or make the batch or the images smaller"
    )


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the steps that had it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return {key: round(sum(found) / len(found), 5) for key, found in values.items()}


def _resume(path: Path, state: Mapping[str, Stateful]) -> int:
    source: Path | BytesIO = path
    if cached.in_bucket(path):  # workers elsewhere may see another state of it, or none
        renewed = workers.rank() == 0 and cached.renewed(path)
        source = BytesIO(workers.broadcast(path.read_bytes() if renewed else b""))
    if not (source.getbuffer().nbytes if isinstance(source, BytesIO) else path.exists()):
        return 0
    try:
        saved = load_saved(source)
    except ValueError as error:  # torn, as by a machine that lost its power
        aside = path.with_suffix(DAMAGED)
        if workers.rank() == 0:
            path.replace(aside)
        logger.warning("%s. It is kept as %s, and this training begins anew", error, aside.name)
        return 0
    for key, part in state.items():
        part.load_state_dict(saved["state"][key])
    return saved["step"]


def _save(path: Path, state: Mapping[str, Stateful], step: int) -> None:
    if workers.rank() != 0:
        return
    try:
        save({"step": step, "state": {key: part.state_dict() for key, part in state.items()}}, path)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
        logger.warning("no checkpoint of step %d: %s; tried again later, the last one is kept", step, error)
