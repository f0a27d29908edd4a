"""Ray Data, cut down to what the stages need: rows stream through steps of tasks or actors."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import ray.data
from ray.data import ActorPoolStrategy, TaskPoolStrategy
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import RayTaskError, UserCodeException

from ucvgl.run.ending import sentence

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
        arguments: dict[str, Any] = {"run": step.run, "settings": dict(step.settings)}
        named: Any = type(step.run.__name__, (Told,), {})  # Ray calls its processes after it
        if isinstance(step.run, type):
            pool = ActorPoolStrategy(size=min(step.at_once, len(rows)))
            data = data.map(named, fn_constructor_kwargs=arguments, compute=pool, **needs)
        else:
            tasks = TaskPoolStrategy(size=min(step.at_once, len(rows)))
            data = data.map(named(**arguments), compute=tasks, **needs)
    failed: BaseException | None = None
    try:
        yield from data.iter_rows()
    except (RayTaskError, StepError) as error:
        failed = own_error(error)
    if failed is not None:  # outside, as its context would keep the execution, and that its actors and their CPUs
        gc.collect()
        raise failed


@dataclass(frozen=True)
class Words:
    """What a step has to say of its error.

    Args:
        sentence: for the user; None for a bug of ours.
        traceback: where it happened, on the machine of the step.
    """

    sentence: str | None
    traceback: str


class StepError(UserCodeException):
    """The error of a step, in its own words.

    Ray Data drops the cause of an error and adds its advice to the first text among the arguments: the words are none.
    """

    def __init__(self, words: Words, *_of_ray: object) -> None:
        super().__init__(words)
        self.words = words


class Told:
    """A step whose errors are told in their own words.

    That of a constructor waits for a row: of it Ray would keep only the text.
    """

    def __init__(self, run: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        self.error: StepError | None = None
        try:
            self.run = run(**settings) if isinstance(run, type) else partial(run, **settings)
        except Exception as error:
            self.error = _told(error)

    def __call__(self, row: Row) -> Row:
        """The row that the step makes of a row.

        Raises:
            StepError: the step raised; it carries what is to be told, across processes.
        """
        if self.error is not None:
            raise self.error
        try:
            return self.run(row)
        except Exception as error:
            raise _told(error) from None


def _told(error: Exception) -> StepError:
    words = getattr(error, "words", None) or Words(sentence(error), traceback.format_exc())
    return StepError(words)


def own_error(error: BaseException) -> BaseException:
    """The step's own error at the bottom of Ray's wrappings: a `ValueError` for users, or its traceback as text."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, StepError) and not isinstance(inner, RayTaskError):
            where = RuntimeError(f"a step failed\n{inner.words.traceback}")
            if inner.words.sentence is None:
                return where
            mistake = ValueError(inner.words.sentence)
            mistake.__cause__ = where
            return mistake
        inner = getattr(inner, "cause", None) or inner.__cause__
    return error


def listed_row(part: pa.Table) -> Row:
    """The images of a part of a list as lists of `id`, `uri` and `heading_deg`, None where no heading is known."""
    looks = part["heading_deg"].to_pylist() if "heading_deg" in part.column_names else [None] * len(part)
    return {"id": part["id"].to_pylist(), "uri": part["uri"].to_pylist(), "heading_deg": looks}
