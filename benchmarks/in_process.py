"""The workers of a job, without Ray: the same programs, one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ucvgl.distributed.machines import Crew
from ucvgl.distributed.progress import Progress
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
