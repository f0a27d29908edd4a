"""UCVGL with a few labels: true pairs of a share of the queries join the pseudo-labels of every round.

python jobs/semi_supervised.py --supervision.label-fraction 0.1 --run runs/semi_supervised
python jobs/semi_supervised.py --help            every setting
"""

import sys

from ucvgl.run.ending import Imports

with Imports():
    from ucvgl.commands import job
    from ucvgl.distributed.cluster import connect
    from ucvgl.methods import plan
    from ucvgl.methods.labelled import semi_supervised
    from ucvgl.settings import presets

if __name__ == "__main__":
    how = {"plan": plan.semi_supervised, "recipe": presets.semi_supervised}
    sys.exit(job.main(sys.argv[1:], semi_supervised, connect=connect, **how))
