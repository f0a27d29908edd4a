"""The workers of a job and the streams of its images, without Ray: the same, one after the other in this process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ucvgl.distributed.machines import Crew
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.stream import Row, Step, Told
from ucvgl.training.loop import Log


class InProcess(Crew):
    """Stands in for `ucvgl.distributed.machines.Machines`: a single worker.

    The answers are those of any number of workers, up to the rounding of sums; starting a Ray for each row of a table
    takes longer than the row itself.
    """

    count = 1

    def __init__(self, log: Log) -> None:
        super().__init__(search_rows=100_000)
        self._log = log

    @staticmethod
    def device() -> torch.device:
        """A graphics card where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def run(self, program: Callable[..., Any], *, progress: Progress | None = None, **arguments: Any) -> Any:
        def log(**row: Any) -> None:
            if not row.keys() <= {"kept", "share"}:
                self._log(**row)

        return program(device=self.device(), log=log, **arguments)

    def rest(self) -> None:
        """It holds nothing."""


def streamed(rows: Sequence[Row], *steps: Step) -> Iterator[Row]:
    """Stands in for `ucvgl.distributed.stream.stream`, whose processes take longer to start than a few images."""
    runs = [Told(step.run, pickle.loads(pickle.dumps(dict(step.settings)))) for step in steps if rows]
    for row in rows:
        for run in runs:
            row = run(row)
        yield row
