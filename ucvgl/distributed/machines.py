"""The long-lived workers of one job, each started when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from ucvgl.distributed.admission import wait_for_turn
from ucvgl.distributed.embedders import EmbedJob, EmbedPool
from ucvgl.distributed.searchers import SearchPool
from ucvgl.distributed.whitened_parts import whiten
from ucvgl.distributed.worker_group import TrainSession
from ucvgl.settings.experiment import Resources
from ucvgl.training.loop import Log


class Machines:
    """A context manager over the training workers, the embedders and the searchers of a job; entered in its turn.

    Args:
        folder: where Ray Train keeps its own small state.
        log: receives the numbers that training reports.
    """

    def __init__(self, folder: Path, resources: Resources, log: Log) -> None:
        self.folder, self.resources, self._log = folder, resources, log
        self._started = ExitStack()

    @cached_property
    def trainer(self) -> TrainSession:
        """The one worker group of all training, started by the first that asks."""
        return self._started.enter_context(TrainSession(self.folder, self.resources, self._log))

    @cached_property
    def embedder(self) -> EmbedPool:
        """The actors that keep the encoders, started by the first that asks."""
        return self._started.enter_context(EmbedPool(self.resources))

    @cached_property
    def searcher(self) -> SearchPool:
        """The actors that match, started by the first that asks."""
        return self._started.enter_context(SearchPool(self.resources))

    def whiten(self, jobs: Sequence[EmbedJob], *, shrinkage: float) -> list[Path]:
        """The parts of what was embedded, whitened as those of the first job are spread."""
        return whiten(jobs, shrinkage=shrinkage)

    def __enter__(self) -> Machines:
        wait_for_turn()
        return self

    def __exit__(self, *error: object) -> None:
        self._started.close()
