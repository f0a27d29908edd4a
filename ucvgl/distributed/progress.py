"""Lines that say how far a long step is, how fast it goes and when it ends."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


AT_ONCE_S = 1.0
"""A step that took no longer is not told of: there is nothing to wait for, and a round has many."""


class Progress:
    """Counts work as it arrives and logs `what: 1024/4500 images, 310 images/s, ETA 11 s` every few seconds.

    Args:
        what: the step.
        total: how much there is, finished work included.
        unit: plural noun of what is counted.
        done: how much was finished before this attempt.
    """

    def __init__(self, what: str, total: int, *, unit: str = "images", done: int = 0, every_s: float = 5.0) -> None:
        self.what, self.total, self.unit, self.done, self.every_s = what, total, unit, done, every_s
        self._done_before = done
        self._start = self._last_line = time.monotonic()

    def advance(self, amount: int) -> None:
        """Count what was done, and log a line when the last one is old enough or all is done."""
        self.done += amount
        now = time.monotonic()
        long = now - self._start > AT_ONCE_S
        if (self.done >= self.total and long) or now - self._last_line >= self.every_s:
            if self._done_before and self._last_line == self._start:
                log.info("%s: %d/%d %s were done before", self.what, self._done_before, self.total, self.unit)
            self._last_line = now
            log.info("%s", self._line(now - self._start))

    def hear(self, *, kept: int = 0, share: float | None = None) -> None:
        """What a program logs: that it has done so much more, or which share of all it has done."""
        self.advance(kept if share is None else round(share * self.total) - self.done)

    def _line(self, seconds: float) -> str:
        rate = (self.done - self._done_before) / max(seconds, 1e-9)
        line = f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.3g} {self.unit}/s"
        if self.done >= self.total:
            return f"{line}, took {seconds:.1f} s"
        return f"{line}, ETA {(self.total - self.done) / rate:.0f} s" if rate else line
