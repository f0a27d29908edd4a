"""What UCVGL is compared with: the same parts, told some or all of the true pairs.

The unsupervised methods do not import this module, nor the stage that reads the labels.
"""

from __future__ import annotations

from ucvgl.distributed.machines import Machines
from ucvgl.methods import plan
from ucvgl.methods.maker import maker, training_log
from ucvgl.pages.run_report import report
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import catalog
from ucvgl.stages.cold_start import cold_start
from ucvgl.stages.curriculum import curriculum
from ucvgl.stages.evaluate import evaluate
from ucvgl.stages.labels import labels
from ucvgl.stages.project import project
from ucvgl.stages.supervised import supervised as train
from ucvgl.stages.translate import translate


def semi_supervised(run: RunDir, experiment: Experiment) -> str:
    """UCVGL, with the true tiles of some training queries (Li et al., CVPR 2024, Table 4); the recall, as one line."""
    log, make = training_log(run), maker(run, plan.semi_supervised(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog)
        known = make("2_labels", labels, catalogs=listed)
        projected = make("2_project", project, catalogs=listed, machines=machines)
        translated = make("3_translate", translate, projected=projected, machines=machines)
        inputs = {"projected": projected, "translated": translated, "labels": known, "machines": machines}
        cold = make("4_cold_start", cold_start, **inputs)
        trained = make("5_curriculum", curriculum, **inputs, cold=cold, log=log)
        scored = make("6_evaluate", evaluate, projected=projected, cold=cold, trained=trained, machines=machines)
    return report(run, experiment, projected, translated, trained, scored)


def supervised(run: RunDir, experiment: Experiment) -> str:
    """Training on true pairs alone (Sample4Geo; Deuser et al., ICCV 2023); the recall, as one line.

    With `supervision.start` it fine-tunes the encoders of another run, as in the last row of UCVGL's Table 1.
    """
    log, make = training_log(run), maker(run, plan.supervised(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog)
        known = make("2_labels", labels, catalogs=listed)
        projected = make("2_project", project, catalogs=listed, machines=machines)
        cold = make("4_cold_start", cold_start, projected=projected, translated=None, machines=machines)
        inputs = {"catalogs": listed, "labels": known, "projected": projected, "machines": machines}
        trained = make("5_supervised", train, **inputs, cold=cold, log=log)
        scored = make("6_evaluate", evaluate, projected=projected, cold=cold, trained=trained, machines=machines)
    return report(run, experiment, projected, None, trained, scored)
