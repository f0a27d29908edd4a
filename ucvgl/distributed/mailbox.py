"""Between driver and training workers: programs go one way, log rows and outcomes the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

POLL_S = 20.0
"""Longest time a question waits for its answer before it is asked again."""

DRAIN_S = 1.0
"""Longest time that log rows are held back."""

ATTEMPTS = 4
"""Worker groups that a program may use up, without one beginning further on, before it is called deadly."""


@dataclass(frozen=True)
class Command:
    """A program to run: `module:function`, and what to call it with."""

    number: int
    program: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: with a value or, where there is a traceback, with an error."""

    number: int
    value: Any = None
    message: str = ""
    """The sentence for the user, where the error is none of ours."""
    traceback: str = ""


class Mailbox:
    """Actor between driver and workers. Questions wait inside it, so nobody has to ask in a loop."""

    CLOSED = "closed"

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._command: Command | None = None
        self._outcome: Outcome | None = None
        self._rows: list[dict[str, Any]] = []
        self._attempts = 0
        self._in_vain = 0
        self._fresh = True
        self._furthest = -1
        self._closed = False

    async def submit(self, command: Command) -> None:
        async with self._changed:
            self._command, self._outcome, self._attempts = command, None, 0
            self._in_vain, self._furthest = 0, -1
            self._changed.notify_all()

    async def next(self, done: int, first: bool) -> Command | str | None:
        """The command in flight, if its number is beyond `done`; `CLOSED` at the end; None: ask again.

        Args:
            first: asked by rank 0, whose group this attempt is counted for.
        """
        async with self._changed:
            await self._wait(lambda: self._closed or self._pending(done), POLL_S)
            if self._closed:
                return self.CLOSED
            if self._command is None or not self._pending(done):
                return None
            if first:
                self._attempts, self._in_vain, self._fresh = self._attempts + 1, self._in_vain + 1, True
            if self._in_vain <= ATTEMPTS:
                return self._command
            self._outcome = Outcome(
                self._command.number, traceback=f"its workers died {ATTEMPTS} times in a row without getting further"
            )
            self._changed.notify_all()
            return None

    async def report(self, row: dict[str, Any]) -> None:
        """Keep a row for the driver. An attempt whose first step is beyond those of all before it went on from a
        later checkpoint, so the program gets on, however often its machines are taken away."""
        self._rows.append(row)
        if self._fresh and "step" in row:
            self._fresh = False
            if row["step"] > self._furthest:
                self._furthest, self._in_vain = row["step"], 1

    async def finish(self, outcome: Outcome) -> None:
        """The first outcome counts: what follows an error on one worker are its echoes on the others."""
        async with self._changed:
            if self._outcome is None and self._command and outcome.number == self._command.number:
                self._outcome = outcome
                self._changed.notify_all()

    async def drain(self) -> tuple[list[dict[str, Any]], Outcome | None, int]:
        """New log rows, the outcome of the command if it has one, and how many groups have begun it."""
        async with self._changed:
            await self._wait(lambda: self._outcome is not None, DRAIN_S)
            rows, self._rows = self._rows, []
            return rows, self._outcome, self._attempts

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _pending(self, done: int) -> bool:
        return self._command is not None and self._outcome is None and self._command.number > done

    async def _wait(self, ready: Any, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait_for(ready), seconds)
