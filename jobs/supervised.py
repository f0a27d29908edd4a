"""Training on true pairs, to compare with, or to fine-tune: the recipe of Sample4Geo, with hard negatives.

python jobs/supervised.py --run runs/supervised
python jobs/supervised.py --help                 every setting
"""

import sys

from ucvgl import job, plan, presets
from ucvgl.distributed.cluster import connect
from ucvgl.labelled import supervised

if __name__ == "__main__":
    how = {"plan": plan.supervised, "recipe": presets.supervised}
    sys.exit(job.main(sys.argv[1:], supervised, connect=connect, **how))
