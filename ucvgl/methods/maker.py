"""What every method does around its stages: make them by the plan, and keep the numbers of their training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ucvgl.log import training_line
from ucvgl.run.prospects import Stage
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.training.collapse import collapse
from ucvgl.training.loop import Log

logger = logging.getLogger(__name__)


def training_log(run: RunDir) -> Log:
    """Keeps the numbers of a run, and tells those of its training."""

    def log(**numbers: Any) -> None:
        run.log(**numbers)
        if "eta_s" in numbers:
            logger.info(training_line(numbers))
        if warning := collapse(numbers):
            logger.warning(warning)

    return log


def maker(run: RunDir, stages: Sequence[Stage], experiment: Experiment) -> Callable[..., Path]:
    """Makes a stage of a plan: `make(name, function, **what it needs)` is the folder."""
    return partial(_make, run, {stage.name: stage for stage in stages}, experiment)


def _make(
    run: RunDir,
    stages: dict[str, Stage],
    experiment: Experiment,
    name: str,
    build: Callable[..., Any],
    **made: Any,
) -> Path:
    stage = stages[name]
    build = partial(build, experiment=experiment, **made)
    return run.make(name, build, settings=stage.settings, inputs=stage.inputs)
