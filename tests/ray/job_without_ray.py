"""`jobs/unsupervised.py` with all of its programs in its own process.

It makes the same files, and dies in less time: what a stage goes on from is the same, whoever runs
its programs.
"""

import sys

import pytest
from without_ray import Crew, without_ray

from ucvgl.commands import job
from ucvgl.methods import plan, ucvgl

if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        without_ray(patch)
        patch.setattr(ucvgl, "Machines", lambda folder, resources, log: Crew(log))
        sys.exit(job.main(sys.argv[1:], ucvgl.unsupervised, plan=plan.unsupervised, connect=lambda resources: "no Ray"))
