"""EM-CVGL (Li, Xu, Yang, Yu and Xia, 2024), top to bottom: a frozen model, and an adapter trained without labels."""

from __future__ import annotations

from ucvgl.distributed.machines import Machines
from ucvgl.methods import plan
from ucvgl.methods.maker import maker, training_log
from ucvgl.pages.adapter_report import report_adapter
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.adapt import adapt as train_adapter
from ucvgl.stages.catalog import catalog
from ucvgl.stages.evaluate_adapter import evaluate_adapter
from ucvgl.stages.features import features
from ucvgl.stages.project import project


def adapt(run: RunDir, experiment: Experiment) -> str:
    """Train a light adapter on a frozen model without labels; what it reached, as lines (EM-CVGL, Li et al. 2024)."""
    log, make = training_log(run), maker(run, plan.adapt(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog, both_ways=True)
        projected = make("2_project", project, catalogs=listed, machines=machines)
        described = make("3_features", features, projected=projected, machines=machines)
        inputs = {"projected": projected, "described": described}
        trained = make("4_adapt", train_adapter, **inputs, machines=machines, log=log)
        scored = make("5_evaluate", evaluate_adapter, **inputs, trained=trained, machines=machines)
    return report_adapter(run, experiment, projected, scored)
