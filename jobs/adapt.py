"""Adapt a frozen model to two unlinked piles of images: a light adapter, trained in minutes on features computed once.

python jobs/adapt.py --adaptation.source runs/elsewhere --run runs/adapted
ray job submit --working-dir . -- python jobs/adapt.py PRESET --run FOLDER
python jobs/adapt.py --help                      every setting; those of this job begin with `adaptation`
"""

import sys

from ucvgl.run.ending import Imports

with Imports():
    from ucvgl.commands import job
    from ucvgl.distributed.cluster import connect
    from ucvgl.methods import plan
    from ucvgl.methods.em_cvgl import adapt

if __name__ == "__main__":
    sys.exit(job.main(sys.argv[1:], adapt, plan=plan.adapt, connect=connect))
