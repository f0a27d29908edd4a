"""Between driver and workers: programs go one way, log rows and outcomes the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

POLL_S = 20.0
"""Longest time a question waits for its answer before it is asked again."""

DRAIN_S = 1.0
"""Longest time that log rows are held back."""

ATTEMPTS = 4
"""Worker groups that a program may use up, without one beginning further on, before it is called deadly."""


@dataclass(frozen=True)
class Command:
    """A program to run: `module:function`, and what to call it with, packed (`ucvgl.distributed.parcels`)."""

    number: int
    program: str
    arguments: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: with a value or, where there is a traceback, with an error."""

    number: int
    value: Any = None
    message: str = ""
    """The sentence for the user, where the error is none of ours."""
    traceback: str = ""


@dataclass(frozen=True)
class Member:
    """A worker of one worker group.

    Args:
        group: a name that no other group has.
        rank: the worker's number in it.
        size: how many workers it has.
    """

    group: str
    rank: int
    size: int


class Mailbox:
    """Actor between driver and workers. Questions wait inside it, so nobody has to ask in a loop."""

    CLOSED = "closed"

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._command: Command | None = None
        self._outcome: Outcome | None = None
        self._finished: dict[Member, Outcome] = {}
        self._rows: list[dict[str, Any]] = []
        self._attempts = 0
        self._in_vain = 0
        self._fresh = True
        self._furthest = -1
        self._closed = False
        self._controller: Any = None

    async def led_by(self, controller: Any) -> None:
        self._controller = controller

    async def controller(self) -> Any:
        """The actor of Ray Train that starts the workers, and with which they end; None before the first of them."""
        return self._controller

    async def submit(self, command: Command) -> None:
        async with self._changed:
            self._command, self._outcome, self._finished, self._attempts = command, None, {}, 0
            self._in_vain, self._furthest = 0, -1
            self._changed.notify_all()

    async def next(self, done: int, member: Member) -> Command | str | None:
        """The command in flight, if its number is beyond `done`; `CLOSED` at the end; None: ask again.

        A group's attempt is counted when its rank 0 asks.
        """
        async with self._changed:
            await self._wait(lambda: self._closed or self._pending(done), POLL_S)
            if self._closed:
                return self.CLOSED
            if self._command is None or not self._pending(done):
                return None
            if member.rank == 0:
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
        later checkpoint, so the program gets on, however often its machines are taken away; so does one that keeps what
        it has made."""
        self._rows.append(row)
        if "kept" in row:
            self._in_vain = 1
        if self._fresh and "step" in row:
            self._fresh = False
            if row["step"] > self._furthest:
                self._furthest, self._in_vain = row["step"], 1

    async def finish(self, outcome: Outcome, member: Member) -> None:
        """The first error counts, as what follows on other workers are its echoes; else rank 0's outcome, once all
        workers of a group have finished."""
        async with self._changed:
            if self._outcome is not None or self._command is None or outcome.number != self._command.number:
                return
            self._finished[member] = outcome
            group = {one.rank: ended for one, ended in self._finished.items() if one.group == member.group}
            if outcome.traceback:
                self._outcome = outcome
            elif len(group) == member.size:
                self._outcome = group[0]
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
