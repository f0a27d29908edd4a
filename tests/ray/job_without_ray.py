"""`jobs/unsupervised.py` and `jobs/adapt.py` with all of their programs in their own process.

They make the same files, and die in less time: what a stage goes on from is the same, whoever runs
its programs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from without_ray import Crew, without_ray

from ucvgl.commands import job
from ucvgl.methods import em_cvgl, plan, ucvgl

JOBS = {
    "unsupervised.py": (ucvgl, ucvgl.unsupervised, plan.unsupervised),
    "adapt.py": (em_cvgl, em_cvgl.adapt, plan.adapt),
}


def run_job(
    script: str, words: Sequence[str], printed: Path, log: Path, environment: Mapping[str, str], folder: str
) -> None:
    """Run a job and end with its exit code; it is called in a process that was forked for it.

    Args:
        script: of the folder `jobs`.
        words: its command line.
        printed: where stdout goes, anew.
        log: where stderr goes, after what is there.
        environment: instead of that of the process.
        folder: to work in.
    """
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script, *words]
    for number, (file, mode) in enumerate([(printed, "wb"), (log, "ab")], 1):
        with file.open(mode) as open_file:
            os.dup2(open_file.fileno(), number)
    method, work, stages = JOBS[script]
    with pytest.MonkeyPatch.context() as patch:
        without_ray(patch)
        patch.setattr(method, "Machines", lambda folder, resources, log: Crew(log))
        sys.exit(job.main(words, work, plan=stages, connect=lambda resources: "no Ray"))
