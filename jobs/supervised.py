"""Training on true pairs, to compare with, or to fine-tune: the recipe of Sample4Geo, with hard negatives.

python jobs/supervised.py --run runs/supervised
python jobs/supervised.py --help                 every setting
"""

import sys

from ucvgl.run.ending import Imports

with Imports():
    from ucvgl.commands import job
    from ucvgl.distributed.cluster import connect
    from ucvgl.methods import plan
    from ucvgl.methods.labelled import supervised
    from ucvgl.settings import presets

if __name__ == "__main__":
    how = {"plan": plan.supervised, "recipe": presets.supervised}
    sys.exit(job.main(sys.argv[1:], supervised, connect=connect, **how))
