"""Unsupervised cross-view geo-localization, from two unlinked piles of images to recall and a report.

python jobs/unsupervised.py                      the demo, on a local Ray
ray job submit --working-dir . -- python jobs/unsupervised.py PRESET --run FOLDER
python jobs/unsupervised.py --help               every setting
"""

import sys

from ucvgl.run.ending import Imports

with Imports():
    from ucvgl.commands import job
    from ucvgl.distributed.cluster import connect
    from ucvgl.methods import plan
    from ucvgl.methods.ucvgl import unsupervised

if __name__ == "__main__":
    sys.exit(job.main(sys.argv[1:], unsupervised, plan=plan.unsupervised, connect=connect))
