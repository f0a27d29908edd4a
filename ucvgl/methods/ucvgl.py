"""UCVGL (Li, Qian and Xia, CVPR 2024), top to bottom: unpaired images in, recall out."""

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
from ucvgl.stages.project import project
from ucvgl.stages.translate import translate


def unsupervised(run: RunDir, experiment: Experiment) -> str:
    """Learn to tell where a panorama was taken from images alone; the recall, as one line (Li et al., CVPR 2024).

    A stage that is done is reused, one that was broken off goes on; `ucvgl.methods.plan` says what each depends on.
    """
    log, make = training_log(run), maker(run, plan.unsupervised(experiment), experiment)
    with Machines(run.path, experiment.resources, log) as machines:
        listed = make("1_catalog", catalog)
        projected = make("2_project", project, catalogs=listed, machines=machines)
        translated = make("3_translate", translate, projected=projected, machines=machines)
        inputs = {"projected": projected, "translated": translated, "machines": machines}
        cold = make("4_cold_start", cold_start, **inputs)
        trained = make("5_curriculum", curriculum, **inputs, cold=cold, log=log)
        scored = make(
            "6_evaluate", evaluate, projected=projected, cold=cold, trained=trained, machines=machines
        )
    return report(run, experiment, projected, translated, trained, scored)
