"""A job whose programs all run in its own process: `python job_without_ray.py unsupervised tiny ...`.

It makes the files of the job of that name, and dies in less time: what a stage goes on from is the same, whoever runs
its programs.
"""

import sys

import pytest
from without_ray import Crew, without_ray

from ucvgl.commands import job
from ucvgl.methods import em_cvgl, plan, ucvgl

JOBS = {"unsupervised": (ucvgl, ucvgl.unsupervised, plan.unsupervised), "adapt": (em_cvgl, em_cvgl.adapt, plan.adapt)}

if __name__ == "__main__":
    module, work, stages = JOBS[sys.argv[1]]
    with pytest.MonkeyPatch.context() as patch:
        without_ray(patch)
        patch.setattr(module, "Machines", lambda folder, resources, log: Crew(log))
        sys.exit(job.main(sys.argv[2:], work, plan=stages, connect=lambda resources: "no Ray"))
