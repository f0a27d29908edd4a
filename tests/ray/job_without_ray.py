"""`jobs/unsupervised.py` and `jobs/adapt.py` with all of their programs in their own process.

They make the same files, and die in less time: what a stage goes on from is the same, whoever runs
its programs.
"""

import sys

import pytest
from without_ray import Crew, without_ray

from ucvgl.commands import job
from ucvgl.methods import em_cvgl, plan, ucvgl

JOBS = {
    "unsupervised.py": (ucvgl, ucvgl.unsupervised, plan.unsupervised),
    "adapt.py": (em_cvgl, em_cvgl.adapt, plan.adapt),
}

if __name__ == "__main__":
    script, *words = sys.argv[1:]
    method, work, stages = JOBS[script]
    with pytest.MonkeyPatch.context() as patch:
        without_ray(patch)
        patch.setattr(method, "Machines", lambda folder, resources, log: Crew(log))
        sys.exit(job.main(words, work, plan=stages, connect=lambda resources: "no Ray"))
