"""The methods, top to bottom: unpaired images in, recall out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ucvgl.distributed.machines import Machines
from ucvgl.log import training_line
from ucvgl.methods import plan
from ucvgl.pages.adapter_report import report_adapter
from ucvgl.pages.run_report import report
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.adapt import adapt as train_adapter
from ucvgl.stages.catalog import catalog
from ucvgl.stages.cold_start import cold_start
from ucvgl.stages.curriculum import curriculum
from ucvgl.stages.evaluate import evaluate
from ucvgl.stages.evaluate_adapter import evaluate_adapter
from ucvgl.stages.features import features
from ucvgl.stages.project import project
from ucvgl.stages.translate import translate
from ucvgl.training.collapse import collapse
from ucvgl.training.loop import Log

logger = logging.getLogger(__name__)


def unsupervised(run: RunDir, experiment: Experiment) -> str:
    """Learn to tell where a panorama was taken from images alone; the recall, as one line (Li et al., CVPR 2024).

    A stage that is done is reused, one that was broken off goes on; `ucvgl.methods.plan` says what each depends on.
    """
    log, make = training_log(run), maker(run, plan.unsupervised(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog)
        projected = make("2_project", project, catalogs=listed)
        translated = make("3_translate", translate, projected=projected, machines=machines)
        seen = {"projected": projected, "translated": translated, "machines": machines}
        cold = make("4_cold_start", cold_start, **seen)
        trained = make("5_curriculum", curriculum, **seen, cold=cold, log=log)
        scored = make(
            "6_evaluate", evaluate, projected=projected, cold=cold, trained=trained, machines=machines
        )
    return report(run, experiment, projected, translated, trained, scored)


def adapt(run: RunDir, experiment: Experiment) -> str:
    """Train a light adapter on a frozen model without labels; what it reached, as lines (EM-CVGL, Li et al. 2024)."""
    log, make = training_log(run), maker(run, plan.adapt(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog, both_ways=True)
        projected = make("2_project", project, catalogs=listed)
        described = make("3_features", features, projected=projected, machines=machines)
        seen = {"projected": projected, "described": described}
        trained = make("4_adapt", train_adapter, **seen, machines=machines, log=log)
        scored = make("5_evaluate", evaluate_adapter, **seen, trained=trained)
    return report_adapter(run, experiment, projected, scored)


def training_log(run: RunDir) -> Log:
    """Keeps the numbers of a run, and tells those of its training."""

    def log(**numbers: Any) -> None:
        run.log(**numbers)
        if "eta_s" in numbers:
            logger.info(training_line(numbers))
        if warning := collapse(numbers):
            logger.warning(warning)

    return log


def maker(run: RunDir, stages: Sequence[plan.Stage], experiment: Experiment) -> Callable[..., Path]:
    """Makes a stage of a plan: `make(name, function, **what it needs)` is the folder."""
    return partial(_make, run, {stage.name: stage for stage in stages}, experiment)


def _make(
    run: RunDir,
    stages: dict[str, plan.Stage],
    experiment: Experiment,
    name: str,
    build: Callable[..., Any],
    **made: Any,
) -> Path:
    stage = stages[name]
    build = partial(build, experiment=experiment, **made)
    return run.make(name, build, settings=stage.settings, inputs=stage.inputs)
