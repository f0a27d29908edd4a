"""Ray Data, cut down to what the stages need: rows stream through steps of tasks or actors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray.data
from ray.data import ActorPoolStrategy, TaskPoolStrategy
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import RayTaskError

log = logging.getLogger(__name__)

Row = dict[str, Any]
ATTEMPTS = 3
LONGEST_S = 1800
"""How often a stream may come to a standstill, one after the other. Each time it is waited for twice as long, up to the
second: a worker that is slow to start, because its machine is busy, begins anew every time."""


@dataclass(frozen=True)
class Step:
    """One transform of a row: a function runs in tasks, a callable class in a fixed pool of actors.

    Args:
        run: `row -> row`, or a class whose instances are.
        settings: keyword arguments of the function, or of the class's constructor.
        at_once: actors, or tasks that may run at the same time.
        cpus: of each of them. Ray Data fuses neighbours of equal needs into one process; unequal needs keep
            them apart.
        gpus: of each of them.
    """

    run: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 1
    cpus: float = 1
    gpus: float = 0


def stream_missing(missing: Callable[[], Sequence[Row]], *steps: Step) -> Iterator[Row]:
    """`stream` of what is missing, and again of what is then missing where Ray Data comes to a standstill.

    What was made before a standstill and had not arrived is not yielded any more: look at what exists.

    Args:
        missing: the rows whose results do not exist yet; it is asked before every attempt.

    Raises:
        ValueError: as raised by a step, with its message; or it came to a standstill again and again.
    """
    context = ray.data.DataContext.get_current()
    patience = context.execution_no_progress_timeout_s
    waits = [min(patience * 2**attempt, max(patience, LONGEST_S)) for attempt in range(ATTEMPTS)]
    for attempt, seconds in enumerate(waits, 1):
        context.execution_no_progress_timeout_s = seconds
        try:
            yield from stream(missing(), *steps)
            return
        except ExecutionTimeoutError as error:
            if attempt == ATTEMPTS:
                told = " s, ".join(f"{one:.0f}" for one in waits)
                raise ValueError(
                    f"no row has arrived for {told} s: a machine hangs, or all are too busy to start a worker in that "
                    "time. The same command goes on with what is missing"
                ) from error
            log.warning("no row has arrived for %.0f s: what is missing is done again", seconds)
        finally:
            context.execution_no_progress_timeout_s = patience


def stream(rows: Sequence[Row], *steps: Step) -> Iterator[Row]:
    """Results as they arrive, in no particular order; every row is a block of its own.

    Raises:
        ValueError: as raised by a step, with its message.
    """
    if not rows:
        return
    data = ray.data.from_items(list(rows), override_num_blocks=len(rows))
    for step in steps:
        needs = {"num_cpus": step.cpus, "num_gpus": step.gpus or None}
        if isinstance(step.run, type):
            pool = ActorPoolStrategy(size=min(step.at_once, len(rows)))
            data = data.map(step.run, fn_constructor_kwargs=dict(step.settings), compute=pool, **needs)
        else:
            tasks = TaskPoolStrategy(size=min(step.at_once, len(rows)))
            data = data.map(step.run, fn_kwargs=dict(step.settings), compute=tasks, **needs)
    try:
        yield from data.iter_rows()
    except RayTaskError as error:
        raise user_error(error) from error


def user_error(error: BaseException) -> BaseException:
    """The `ValueError` at the bottom of Ray's wrappings, else the error itself."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ValueError) and not isinstance(inner, RayTaskError):
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    return error
